import Formats

/// One line from the client.
enum Message: Sendable {
  case request(Request)
  case notification(method: String, parameters: JSONValue)
  /// An answer to a request of the server. Servers of the current era send none, and this one sends none in the earlier eras.
  case response

  /// - Throws: ``Rejection``.
  init(parsing line: [UInt8]) throws(Rejection) {
    let value: JSONValue
    do {
      value = try JSONReader.read(line, maximumDepth: 64) { reader in try reader.readValue() }
    } catch {
      throw Rejection(id: nil, error: ProtocolError(.parseError, "the line is not JSON: \(error)"))
    }
    guard case .object = value else {
      let what = if case .array = value { "an array: send each message on a line of its own" } else { "no object" }
      throw Rejection(id: nil, error: ProtocolError(.invalidRequest, "the line is \(what)"))
    }
    let id = value["id"].flatMap { RequestID($0) }
    func invalid(_ message: String) -> Rejection { Rejection(id: id, error: ProtocolError(.invalidRequest, message)) }

    guard case .string("2.0")? = value["jsonrpc"] else { throw invalid("the member jsonrpc must be \"2.0\"") }
    guard let name = value["method"] else {
      guard value["result"] != nil || value["error"] != nil else { throw invalid("the member method is missing") }
      self = .response
      return
    }
    guard case .string(let method) = name else { throw invalid("the member method must be a string") }
    let parameters = value["params"] ?? .object([])
    guard case .object = parameters else {
      throw Rejection(id: id, error: ProtocolError(.invalidParameters, "the member params must be an object"))
    }
    if value["id"] == nil {
      self = .notification(method: method, parameters: parameters)
      return
    }
    guard let id else { throw invalid("the id must be a string or an integer") }
    self = .request(Request(id: id, method: method, parameters: parameters, sizeBytes: line.count))
  }
}

/// A line that is no message.
struct Rejection: Error {
  let id: RequestID?
  let error: ProtocolError
}

struct Request: Sendable {
  let id: RequestID
  let method: String
  /// An object.
  let parameters: JSONValue
  /// The length of its line.
  let sizeBytes: Int
}
