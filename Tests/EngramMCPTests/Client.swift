import Dispatch
import Engram
import Formats
import Foundation
import TestSupport
import Testing

@testable import EngramMCP

/// A client in this process: a server with a store of its own, over two pipes.
final class Client {
  private let directory = TemporaryDirectory()
  let store: MemoryStore
  private let input: FileHandle
  private let server: Task<Void, any Error>
  /// Signalled once the client reads.
  private let gate = DispatchSemaphore(value: 0)
  private var lines: AsyncStream<[UInt8]>.Iterator

  static let modern = #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#

  init(
    user: MCPServerOptions.User = .fixed("ada"), isReadOnly: Bool = false, allowsForget: Bool = false,
    embedder: (any Embedder)? = HashingEmbedder(dimension: 64), reads: Bool = true
  ) async throws {
    store = try await MemoryStore.open(
      at: URL(fileURLWithPath: directory.path("store")), options: StoreOptions(embedder: embedder))
    let (requests, answers) = (Pipe(), Pipe())
    input = requests.fileHandleForWriting
    lines = Self.lines(of: answers.fileHandleForReading, gate).makeAsyncIterator()
    if reads { gate.signal() }
    let options = MCPServerOptions(
      user: user, isReadOnly: isReadOnly, allowsForget: allowsForget, storeName: "test.memory", version: "1.0")
    let server = MCPServer(store: store, options: options)
    self.server = Task {
      let (reading, writing) = (requests.fileHandleForReading, answers.fileHandleForWriting)
      try await server.run(input: reading.fileDescriptor, output: writing.fileDescriptor)
      // Both are open up to here.
      try reading.close()
      try writing.close()
    }
  }

  /// The lines of the output, read by a thread of its own, which begins when the gate is signalled.
  private static func lines(of output: FileHandle, _ gate: DispatchSemaphore) -> AsyncStream<[UInt8]> {
    let (lines, continuation) = AsyncStream<[UInt8]>.makeStream()
    Thread.detachNewThread {
      gate.wait()
      var rest: [UInt8] = []
      while case let part = output.availableData, !part.isEmpty {
        rest += part
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
          continuation.yield(Array(rest[..<end]))
          rest.removeSubrange(...end)
        }
      }
      // Nothing may follow the last line feed.
      if !rest.isEmpty { continuation.yield(rest) }
      continuation.finish()
    }
    return lines
  }

  /// Begins to read; only for a client that did not from the start.
  func startReading() { gate.signal() }

  func send(_ line: String) throws { try sender(line) }

  /// Sends a line; may be called by any thread. Waits while the server does not read.
  var sender: @Sendable (String) throws -> Void {
    { [descriptor = input.fileDescriptor] line in
      try FileHandle(fileDescriptor: descriptor, closeOnDealloc: false).write(contentsOf: Data((line + "\n").utf8))
    }
  }

  /// Runs what blocks outside of the cooperative pool.
  static func onThread(_ body: @escaping @Sendable () throws -> Void) async throws {
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
      Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
    }
  }

  /// The next line, which must be one JSON object. No thread of the cooperative pool is blocked: the server needs them.
  func receive() async throws -> JSONValue {
    guard let line = await lines.next() else { throw EndOfOutput() }
    let value = try JSONReader.read(line) { reader in try reader.readValue() }
    #expect(value["jsonrpc"] == .string("2.0"))
    return value
  }

  struct EndOfOutput: Error {}

  /// Sends a request of the current era, and returns the answer, which must be the next message.
  func ask(_ method: String, _ members: String = "", id: String = "1") async throws -> JSONValue {
    let more = members.isEmpty ? "" : "," + members
    try send(#"{"jsonrpc":"2.0","id":\#(id),"method":"\#(method)","params":{\#(Self.modern)\#(more)}}"#)
    return try await receive()
  }

  /// Calls a tool; the result is its structured content, or the sentence of its error.
  func call(_ tool: String, _ arguments: String = "{}") async throws -> JSONValue {
    let answer = try await ask("tools/call", #""name":"\#(tool)","arguments":\#(arguments)"#)
    let result = try #require(answer["result"], "\(answer)")
    #expect(result["resultType"] == .string("complete"))
    if result["isError"] == .bool(true) { return try #require(result.element("content", 0)?["text"]) }
    let text = try #require(result.element("content", 0)?["text"]?.text)
    let structured = try #require(result["structuredContent"])
    let declared = try #require(ToolCatalog.all.first { $0.name == tool })
    #expect(throws: Never.self, "the result has the declared shape") { try Shape.object(declared.result).check(structured, at: "") }
    #expect(try JSONReader.read(Array(text.utf8)) { reader in try reader.readValue() } == structured)
    return structured
  }

  /// Ends the input, and returns what the server wrote until it ended.
  func finish() async throws -> [JSONValue] {
    try input.close()
    try await server.value
    var rest: [JSONValue] = []
    do { while true { rest.append(try await receive()) } } catch is EndOfOutput {}
    try await store.close()
    return rest
  }

  func cancel() { server.cancel() }

  /// Begins a session of an earlier era.
  func initialize(_ version: String = "2025-06-18") async throws -> JSONValue {
    try send(#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"\#(version)","capabilities":{}}}"#)
    let result = try #require(try await receive()["result"])
    try send(#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
    return result
  }
}

extension JSONValue {
  var text: String? { if case .string(let text) = self { text } else { nil } }
  var integer: Int? { if case .number(.integer(let number)) = self { Int(number) } else { nil } }
  var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
  func element(_ key: String, _ index: Int) -> JSONValue? {
    guard let elements = self[key]?.elements, index < elements.count else { return nil }
    return elements[index]
  }
}
