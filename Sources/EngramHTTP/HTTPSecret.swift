import Engram
import Foundation

/// A value that a request needs and that must not appear in a log: a key, or the value of a header.
///
/// The value is never shown: neither by the description, nor in a dump, nor in an error.
public struct HTTPSecret: Sendable, Equatable {
  private enum Source: Equatable {
    case none
    case standard
    case environment(String)
    case value(String)
  }

  private let source: Source

  /// Nothing is sent.
  public static let none = HTTPSecret(source: .none)

  /// The variable `OPENAI_API_KEY` of the environment, if it is set, and if the endpoint is reached by `https` or is on this machine. The
  /// variable was not chosen for this endpoint, so its value is not sent in clear text over a network.
  public static let standard = HTTPSecret(source: .standard)

  /// A variable of the environment, read when an embedder is made. It must be set then.
  public static func environment(_ variable: String) -> HTTPSecret { HTTPSecret(source: .environment(variable)) }

  /// A value that the program has from elsewhere, such as a keychain.
  public static func value(_ value: String) -> HTTPSecret { HTTPSecret(source: .value(value)) }

  /// The variable of ``standard``.
  static let standardVariable = "OPENAI_API_KEY"

  /// - Returns: The value to send; nil if nothing is to be sent.
  /// - Throws: ``StoreError`` `.invalidArgument` if the variable is not set, or the value cannot be in a header.
  func value(for endpoint: Endpoint, in environment: [String: String]) throws(StoreError) -> String? {
    let value: String?
    switch source {
    case .none: value = nil
    case .standard: value = endpoint.isPrivate ? environment[Self.standardVariable] : nil
    case .value(let given): value = given
    case .environment(let variable):
      value = environment[variable]
      guard let value, !value.isEmpty else {
        throw StoreError(.invalidArgument, "the environment variable \(variable) is not set: it has the key for \(endpoint)")
      }
    }
    guard let value, !value.isEmpty else { return nil }
    guard value.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) else {
      throw StoreError(
        .invalidArgument,
        "the \(self) for \(endpoint) has a character that no HTTP header may have, such as a line feed at its end: nothing was sent")
    }
    return value
  }

  /// The words about the key in an error, for an endpoint that refused the request.
  func advice(wasSent: Bool, to endpoint: Endpoint) -> String {
    switch source {
    case .none: "no key was sent"
    case .standard where wasSent: "the key was that of \(Self.standardVariable)"
    case .standard:
      endpoint.isPrivate
        ? "no key was sent, because \(Self.standardVariable) is not set"
        : "no key was sent: that of \(Self.standardVariable) goes to https and this machine only, unless the variable is named"
    case .environment(let variable): "the key was that of \(variable)"
    case .value: "the key was the one that the program gave"
    }
  }
}

extension HTTPSecret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// Where the value is from, such as `key of OPENAI_API_KEY`.
  public var description: String {
    switch source {
    case .none: "no key"
    case .standard: "key of \(Self.standardVariable)"
    case .environment(let variable): "key of \(variable)"
    case .value: "given key"
    }
  }

  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: []) }
}
