import Engram
import Formats
import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A program that embeds: it reads one text per line, and writes one vector per line, in the same order.
///
/// `/bin/sh` runs it, in a process group of its own, with the standard error of this process. Its input is closed when this value is
/// released or this process ends, whatever the reason.
final class EmbedProgram: Sendable {
  /// A line of answer.
  struct Answer: Sendable {
    let vector: [Float]
    /// The program's name of its model; nil if it gives none.
    let model: String?
  }

  enum Kind: String, Sendable { case passage, query }

  private struct State {
    /// Bytes that were read and are not a whole line yet.
    var received: [UInt8] = []
    var answers = 0
    /// Why the program is no longer used.
    var failure: StoreError?
  }

  private let command: String
  private let silence: Duration
  private let child: ChildProgram
  private let state = Mutex(State())

  private static let longestLine = 4 << 20

  /// - Parameter silence: How long it may take from one line to the next; a program may have to read its model first.
  /// - Throws: ``StoreError`` `.embedderFailed`, `.outOfResources` if nothing can be started.
  init(_ command: String, silence: Duration) throws(StoreError) {
    self.command = command
    self.silence = silence
    child = try ChildProgram(shell: command)
  }

  /// Returns one answer per text, in the order of `texts`. Calls of several tasks wait for each other.
  ///
  /// - Throws: ``StoreError`` `.embedderFailed`, `.dimensionMismatch`, `.notFinite`, `.zeroNorm`; `CancellationError`. The program is ended
  ///   then, because its further answers could belong to earlier texts: each later call throws the same.
  func answers(to texts: [String], _ kind: Kind, dimension: Int?) async throws -> [Answer] {
    guard !texts.isEmpty else { return [] }
    let isCancelled = Flag()
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        // On a thread of its own, which waits for the program and has a signal blocked.
        Thread.detachNewThread { [self] in
          ChildProgram.ignoreBrokenPipes()
          continuation.resume(with: Result { try state.withLock { try exchange(texts, kind, dimension, isCancelled, &$0) } })
        }
      }
    } onCancel: {
      isCancelled.set()
    }
  }

  private final class Flag: Sendable {
    private let value = Atomic(false)
    func set() { value.store(true, ordering: .relaxed) }
    var isSet: Bool { value.load(ordering: .relaxed) }
  }

  private func exchange(_ texts: [String], _ kind: Kind, _ dimension: Int?, _ isCancelled: Flag, _ state: inout State) throws -> [Answer] {
    if let failure = state.failure { throw failure }
    do {
      return try exchangeLines(texts, kind, dimension, isCancelled, &state)
    } catch {
      child.end(within: .zero)
      state.failure =
        error as? StoreError ?? StoreError(.embedderFailed, "\(name) was ended, because a call was cancelled before it had answered")
      throw error
    }
  }

  private func exchangeLines(
    _ texts: [String], _ kind: Kind, _ dimension: Int?, _ isCancelled: Flag, _ state: inout State
  ) throws -> [Answer] {
    let lines = Self.lines(texts, kind)
    var (sent, answers, limit) = (0, [Answer](), ContinuousClock.now + silence)
    try refuseMore(&state)
    while answers.count < texts.count {
      if isCancelled.isSet { throw CancellationError() }
      guard ContinuousClock.now < limit else {
        throw StoreError(
          .embedderFailed,
          "\(name) answered \(answers.count) of \(texts.count) texts, and then nothing for \(silence): it was ended. Does it write each "
            + "line out at once (flush)?")
      }
      // A short wait, so that cancellation is noticed.
      let ready = child.poll(writes: sent < lines.count, milliseconds: 50)
      if ready.isWritable { sent += child.write(lines[sent...]) ?? lines.count - sent }
      guard ready.isReadable else { continue }
      guard child.read(into: &state.received) else { throw ended(&state) }
      while answers.count < texts.count, let line = try nextLine(&state) {
        let expected = dimension ?? answers.first?.vector.count
        state.answers += 1
        answers.append(try answer(line, number: state.answers, dimension: expected))
        limit = .now + silence
      }
    }
    try refuseMore(&state)
    return answers
  }

  private static func lines(_ texts: [String], _ kind: Kind) -> [UInt8] {
    var json = JSONWriter()
    for text in texts {
      json.beginObject()
      json.key("text")
      json.write(text)
      json.key("kind")
      json.write(kind.rawValue)
      json.endObject()
      json.endLine()
    }
    return json.bytes
  }

  private func nextLine(_ state: inout State) throws(StoreError) -> [UInt8]? {
    guard let end = state.received.firstIndex(of: 0x0A) else {
      guard state.received.count <= Self.longestLine else {
        throw StoreError(.embedderFailed, "\(name) answered a line of more than \(Self.longestLine >> 20) MiB")
      }
      return nil
    }
    defer { state.received.removeFirst(end + 1) }
    return Array(state.received[..<end])
  }

  /// Fails if there is more output: it would be taken for the answer to the next text.
  private func refuseMore(_ state: inout State) throws(StoreError) {
    while child.poll(writes: false, milliseconds: 0).isReadable { guard child.read(into: &state.received) else { throw ended(&state) } }
    guard !state.received.isEmpty else { return }
    throw StoreError(
      .embedderFailed,
      "\(name) answered more lines than it got texts: '\(TerminalText.excerpt(String(decoding: state.received.prefix(400), as: UTF8.self)))'"
    )
  }

  private func answer(_ line: [UInt8], number: Int, dimension: Int?) throws -> Answer {
    var (vector, model, failure): ([Float]?, String?, String?)
    func readVector(_ reader: inout JSONReader) throws(JSONError) {
      var floats: [Float] = []
      try reader.readFloatArray(into: &floats, atMost: 65_536)
      vector = floats
    }
    let place = "\(name), line \(number) of its answers"
    do {
      try JSONReader.read(line) { reader in
        guard try reader.peek() == .object else { return try readVector(&reader) }
        try reader.beginObject()
        while let key = try reader.nextKey() {
          switch key {
          case "embedding": try readVector(&reader)
          case "model": model = try reader.readString()
          case "error": failure = try reader.readString()
          default: try reader.skipValue()
          }
        }
      }
    } catch let error as JSONError {
      let code: StoreError.Code = error.code == .numberOutOfRange ? .notFinite : .embedderFailed
      let excerpt = TerminalText.excerpt(String(decoding: line.prefix(400), as: UTF8.self))
      throw StoreError(code, #"\#(place): no array of numbers, and no {"embedding":[…]}: \#(error): '\#(excerpt)'"#)
    }
    if let failure { throw StoreError(.embedderFailed, "\(place): the program says: \(TerminalText.excerpt(failure, limit: 200))") }
    guard let vector else { throw StoreError(.embedderFailed, "\(place): no 'embedding'") }
    guard !vector.isEmpty, vector.count == dimension ?? vector.count else {
      throw StoreError(.dimensionMismatch, "\(place): a vector of \(vector.count) components, expected \(dimension ?? 1)")
    }
    guard vector.contains(where: { $0 != 0 }) else { throw StoreError(.zeroNorm, "\(place): the vector is zero") }
    return Answer(vector: vector, model: model)
  }

  private func ended(_ state: inout State) -> StoreError {
    StoreError(.embedderFailed, "\(name) \(child.end(within: .seconds(2))) after \(Amounts.count(state.answers, "answer", "answers"))")
  }

  private var name: String { "the embed command '\(TerminalText.excerpt(command, limit: 100))'" }
}
