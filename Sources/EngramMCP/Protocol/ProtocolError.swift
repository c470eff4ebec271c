import Formats

/// A request that is answered with an error of JSON-RPC. What a model can correct is not one: see ``ToolFailure``.
struct ProtocolError: Error, Equatable {
  enum Code: Int, Sendable {
    case parseError = -32700
    case invalidRequest = -32600
    case methodNotFound = -32601
    case invalidParameters = -32602
    case internalError = -32603
    /// Of the earlier eras only.
    case resourceNotFound = -32002
    case unsupportedVersion = -32022
  }

  let code: Code
  /// One sentence.
  let message: String
  /// JSON of the member `data`; nil: it is left out.
  var data: String?

  init(_ code: Code, _ message: String, data: String? = nil) {
    self.code = code
    self.message = message
    self.data = data
  }

  static func unknownMethod(_ method: String) -> ProtocolError {
    ProtocolError(.methodNotFound, "the server has no method '\(TerminalText.excerpt(method))'")
  }

  static func unsupportedVersion(_ requested: String) -> ProtocolError {
    var data = JSONWriter()
    data.beginObject()
    data.key("supported")
    data.beginArray()
    for revision in Revision.allCases { data.write(revision.rawValue) }
    data.endArray()
    data.key("requested")
    data.write(requested)
    data.endObject()
    let names = Revision.allCases.map(\.rawValue).joined(separator: ", ")
    return ProtocolError(.unsupportedVersion, "the protocol version is not supported; supported are \(names)", data: data.string)
  }

  /// The whole message.
  ///
  /// - Parameter id: Nil if the request's id cannot be read: the answer then has `null`, as JSON-RPC asks for.
  func line(for id: RequestID?) -> [UInt8] {
    var writer = JSONWriter(reservingCapacity: 256)
    writer.beginObject()
    writer.key("jsonrpc")
    writer.write("2.0")
    writer.key("id")
    writer.write(json: id?.json ?? "null")
    writer.key("error")
    writer.beginObject()
    writer.key("code")
    writer.write(code.rawValue)
    writer.key("message")
    writer.write(message)
    if let data {
      writer.key("data")
      writer.write(json: data)
    }
    writer.endObject()
    writer.endObject()
    writer.endLine()
    return writer.bytes
  }
}
