import Engram
import Foundation

/// The address that texts are sent to.
struct Endpoint: Sendable, CustomStringConvertible {
  /// A scheme, host and port: what a key may be sent to.
  struct Origin: Equatable, CustomStringConvertible {
    let description: String

    /// Nil if it is no `http` or `https`, or has no host.
    init?(_ components: URLComponents) {
      guard let scheme = components.scheme?.lowercased(), scheme == "http" || scheme == "https",
        let host = components.host?.lowercased(), !host.isEmpty
      else { return nil }
      let bracketed = host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
      let port = components.port ?? (scheme == "https" ? 443 : 80)
      description = "\(scheme)://\(bracketed):\(port)"
    }
  }

  let url: URL
  let origin: Origin
  /// Whether requests cannot be read on a network: they go by `https`, or stay on this machine.
  let isPrivate: Bool
  /// The address without the query, which may hold a key.
  let description: String

  /// - Parameter baseURL: As the public initialiser describes it.
  /// - Throws: ``StoreError`` `.invalidArgument`.
  init(baseURL: URL) throws(StoreError) {
    guard var components = URLComponents(url: baseURL, resolvingAgainstBaseURL: true), let origin = Origin(components) else {
      // Without the address, which may hold a password.
      throw StoreError(
        .invalidArgument, "the base URL of an embedder must be http:// or https:// with a host, such as http://localhost:11434")
    }
    guard components.user == nil, components.password == nil else {
      throw StoreError(
        .invalidArgument,
        "the base URL of the embedder at \(origin) has a user or a password in it: give the key, or a header, in the options")
    }
    guard components.fragment == nil else {
      throw StoreError(.invalidArgument, "the base URL of the embedder at \(origin) has a fragment, behind '#'")
    }
    var path = components.percentEncodedPath
    while path.hasSuffix("/") { path.removeLast() }
    let parts = path.split(separator: "/")
    if parts.last != "embeddings" { path += parts.contains(where: Self.isVersion) ? "/embeddings" : "/v1/embeddings" }
    components.percentEncodedPath = path
    guard let url = components.url else {
      throw StoreError(.invalidArgument, "the base URL of the embedder at \(origin) cannot be understood")
    }
    self.init(url: url, origin: origin, components)
  }

  private init(url: URL, origin: Origin, _ components: URLComponents) {
    self.url = url
    self.origin = origin
    isPrivate = components.scheme?.lowercased() == "https" || Self.isThisMachine(components.host ?? "")
    description = Self.shown(components)
  }

  /// The endpoint that an answer redirects to.
  ///
  /// - Throws: ``EndpointFailure`` if the address has another origin, or cannot be understood.
  func redirected(to location: String?, status: Int) throws(EndpointFailure) -> Endpoint {
    guard let location, let target = URL(string: location, relativeTo: url)?.absoluteURL,
      let components = URLComponents(url: target, resolvingAgainstBaseURL: true), let other = Origin(components)
    else { throw EndpointFailure(self, "it redirects (status \(status)) to no address that can be understood") }
    guard other == origin, components.user == nil else {
      throw EndpointFailure(
        self,
        "it redirects (status \(status)) to another server, \(Self.shown(components)): nothing was sent there; if it is the right one, "
          + "give its address")
    }
    return Endpoint(url: target, origin: origin, components)
  }

  /// `v1`, `v1beta`.
  private static func isVersion(_ part: Substring) -> Bool {
    guard part.first == "v" || part.first == "V", let digit = part.dropFirst().first else { return false }
    return ("0"..."9").contains(digit)
  }

  private static func isThisMachine(_ host: String) -> Bool {
    let host = host.lowercased()
    return host == "localhost" || host.hasSuffix(".localhost") || host == "::1" || host == "[::1]"
      || (host.hasPrefix("127.") && host.allSatisfy { $0 == "." || ("0"..."9").contains($0) })
  }

  private static func shown(_ components: URLComponents) -> String {
    var shown = components
    (shown.user, shown.password, shown.query, shown.fragment) = (nil, nil, nil, nil)
    return shown.string ?? "the endpoint"
  }
}
