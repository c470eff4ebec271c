import Engram
import Foundation

/// What a URI of this server names.
enum ResourceAddress: Sendable, Equatable {
  case profile
  case recent
  case about
  case memory(MemoryID)
  case session(String)

  private static let scheme = "engram://"

  /// Nil if the server has no such resource.
  init?(_ uri: String) {
    guard uri.utf8.count <= 4096, uri.utf8.starts(with: Self.scheme.utf8) else { return nil }
    let path = uri.dropFirst(Self.scheme.count)
    switch path {
    case "profile": self = .profile
    case "recent": self = .recent
    case "about": self = .about
    default:
      let parts = path.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[1].isEmpty, let name = String(parts[1]).removingPercentEncoding else { return nil }
      switch parts[0] {
      case "memory":
        guard let id = MemoryID(name) else { return nil }
        self = .memory(id)
      case "session": self = .session(name)
      default: return nil
      }
    }
  }

  static func == (left: Self, right: Self) -> Bool {
    switch (left, right) {
    case (.profile, .profile), (.recent, .recent), (.about, .about): true
    case (.memory(let left), .memory(let right)): left == right
    case (.session(let left), .session(let right)): left.utf8.elementsEqual(right.utf8)
    default: false
    }
  }

  /// Whether a change of the user may have changed what a read of this resource returns.
  ///
  /// - Parameter session: The session of the memory that was put, if there is one and it is known. A deleted memory may have been of any.
  func isChanged(by change: StoreChange.Kind, session: (MemoryID) -> String?) -> Bool {
    switch (self, change) {
    case (_, .lagged): true
    case (.profile, .contextPut(let type)), (.profile, .contextDeleted(let type)): type == UserContext.recordType
    case (.recent, .memoryPut), (.recent, .memoryDeleted), (.about, .memoryPut), (.about, .memoryDeleted): true
    case (.memory(let own), .memoryPut(let id)), (.memory(let own), .memoryDeleted(let id)): own == id
    case (.session, .memoryDeleted): true
    case (.session(let own), .memoryPut(let id)): session(id).map { $0.utf8.elementsEqual(own.utf8) } ?? true
    default: false
    }
  }
}
