import Engram
import Formats

/// A tool: its description for the client, and what it does.
struct Tool: Sendable {
  /// What a host may know before it lets a model call the tool. No tool reaches beyond the store.
  struct Hints: Sendable, Equatable {
    var isReadOnly = false
    var isDestructive = false
    var isIdempotent = false

    static let reading = Hints(isReadOnly: true, isIdempotent: true)
  }

  let name: String
  /// For the model.
  let note: String
  let arguments: [Field]
  let result: [Field]
  let hints: Hints
  /// Nil from a tool's body is never an answer: it returns a result or throws ``ToolFailure``, `StoreError` or `CancellationError`.
  let run: @Sendable (Arguments, ToolCall) async throws -> ToolResult
}

/// What a tool's body gets beside its arguments.
struct ToolCall: Sendable {
  let service: Service
  let user: String
  let context: RequestContext
  /// The parameters of the request, for the answers of the client's user.
  let parameters: JSONValue
  /// Sends progress to the client if it wants it.
  let progress: ProgressReporter

  var store: MemoryStore { service.store }
}

/// What a tool returns.
enum ToolResult: Sendable {
  /// An object of the declared shape.
  case structured(String)
  /// The client must ask its user first: the members `inputRequests` and `requestState`.
  case needsInput(String)

  static func object(_ write: (inout JSONWriter) throws -> Void) rethrows -> ToolResult {
    var writer = JSONWriter(reservingCapacity: 1024)
    writer.beginObject()
    try write(&writer)
    writer.endObject()
    return .structured(writer.string)
  }
}

extension Tool {
  /// Writes the entry of `tools/list`.
  func write(to writer: inout JSONWriter, _ arguments: [Field]) {
    writer.beginObject()
    writer.key("name")
    writer.write(name)
    writer.key("description")
    writer.write(note)
    writer.key("inputSchema")
    Shape.object(arguments).write(to: &writer, isClosed: true)
    writer.key("outputSchema")
    Shape.object(result).write(to: &writer, isClosed: false)
    writer.key("annotations")
    writer.beginObject()
    writer.key("readOnlyHint")
    writer.write(hints.isReadOnly)
    writer.key("destructiveHint")
    writer.write(hints.isDestructive)
    writer.key("idempotentHint")
    writer.write(hints.isIdempotent)
    writer.key("openWorldHint")
    writer.write(false)
    writer.endObject()
    writer.endObject()
  }
}
