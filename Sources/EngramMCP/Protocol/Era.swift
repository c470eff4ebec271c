import Formats

/// The revisions of the protocol that the server speaks, the newest first.
enum Revision: String, Sendable, CaseIterable {
  case stateless = "2026-07-28"
  case november2025 = "2025-11-25"
  case june2025 = "2025-06-18"
  case march2025 = "2025-03-26"

  /// Whether requests name their revision themselves; the earlier ones begin with `initialize`.
  var isModern: Bool { self == .stateless }

  /// The revision that `initialize` selects if the client asks for one that the server does not speak.
  static let newestLegacy = Revision.november2025
}

/// What a request says about itself beside its parameters.
struct RequestContext: Sendable {
  let revision: Revision
  /// Whether the client can ask its user by a form.
  let canElicit: Bool
  /// JSON of `_meta.progressToken`, a string or an integer; nil: the client wants no progress.
  let progressToken: String?

  static let versionKey = "io.modelcontextprotocol/protocolVersion"
  static let capabilitiesKey = "io.modelcontextprotocol/clientCapabilities"

  /// - Parameter negotiated: What `initialize` selected; nil if there was none.
  /// - Throws: ``ProtocolError`` if the request names no revision, and none was negotiated; or names one that the server does not speak.
  init(_ request: Request, negotiated: Handshake?) throws(ProtocolError) {
    let meta = request.parameters["_meta"]
    progressToken = meta?["progressToken"].flatMap { RequestID($0) }?.json
    if let version = meta?[Self.versionKey] {
      guard case .string(let name) = version else {
        throw ProtocolError(.invalidParameters, "_meta[\"\(Self.versionKey)\"] must be a string")
      }
      guard let revision = Revision(rawValue: name) else { throw .unsupportedVersion(name) }
      guard let capabilities = meta?[Self.capabilitiesKey], case .object = capabilities else {
        throw ProtocolError(.invalidParameters, "_meta[\"\(Self.capabilitiesKey)\"] must be an object: every request declares them")
      }
      self.revision = revision
      canElicit = Self.offersForms(capabilities)
      return
    }
    if let negotiated {
      revision = negotiated.revision
      canElicit = false
      return
    }
    // The earlier eras allow a ping at any time.
    guard request.method == "ping" else {
      throw ProtocolError(
        .invalidParameters,
        "params._meta must have \"\(Self.versionKey)\" (\(Revision.stateless.rawValue)) and \"\(Self.capabilitiesKey)\"; "
          + "clients of earlier versions send initialize first")
    }
    revision = .newestLegacy
    canElicit = false
  }

  /// A capability `elicitation` without members means forms.
  private static func offersForms(_ capabilities: JSONValue) -> Bool {
    guard case .object(let modes)? = capabilities["elicitation"] else { return false }
    return modes.isEmpty || modes.contains { $0.key == "form" }
  }
}

/// What `initialize` selected for this process.
struct Handshake: Sendable, Equatable {
  let revision: Revision

  /// - Throws: ``ProtocolError`` if the client names no version.
  init(_ parameters: JSONValue) throws(ProtocolError) {
    guard case .string(let asked)? = parameters["protocolVersion"] else {
      throw ProtocolError(.invalidParameters, "params.protocolVersion must be a string")
    }
    let revision = Revision(rawValue: asked)
    self.revision = revision.flatMap { $0.isModern ? nil : $0 } ?? .newestLegacy
  }
}
