import Formats

/// What can be fuzzed: everything that reads bytes that somebody else may have written.
enum FuzzTarget: String, CaseIterable, Sendable {
  // Exchange files and arguments.
  case lines
  case importing
  case conversations
  case json
  case number
  case vector
  case time
  case text
  case terms
  // Records.
  case cbor
  case codable
  case memory
  case user
  case block
  case columns
  case words
  case state
  case store
  case context
  case log
  // Files.
  case rowheader
  case metapages
  case pages
  // What the system and a directory tell.
  case readers
  case locks
  case names
  case patterns

  /// Feeds one input to the target.
  ///
  /// - Throws: ``FuzzViolation`` if a property does not hold. Whatever the bytes are, nothing else may be thrown, trap or hang.
  func run(_ input: [UInt8]) throws {
    switch self {
    case .lines: try LineTarget.run(input)
    case .importing: try ImportTarget.run(input)
    case .conversations: try ConversationTarget.run(input)
    case .json: try JSONTarget.run(input)
    case .number: try NumberTarget.run(input)
    case .vector: try VectorTarget.run(input)
    case .time: try TimeTarget.run(input)
    case .text: try TextTarget.run(input)
    case .terms: try WordsTarget.terms(input)
    case .cbor: try CBORTarget.run(input)
    case .codable: try CodableTarget.run(input)
    case .memory: try MemoryTarget.run(input)
    case .user: try RecordTarget.user(input)
    case .block: try RecordTarget.block(input)
    case .columns: try ColumnsTarget.run(input)
    case .words: try WordsTarget.run(input)
    case .state: try RecordTarget.state(input)
    case .store: try RecordTarget.store(input)
    case .context: try ContextTarget.run(input)
    case .log: try RecordTarget.log(input)
    case .rowheader: try RowHeaderTarget.run(input)
    case .metapages: try MetaPageTarget.run(input)
    case .pages: try PageTarget.run(input)
    case .readers: try TableTarget.readers(input)
    case .locks: try TableTarget.locks(input)
    case .names: try TableTarget.names(input)
    case .patterns: try PatternTarget.run(input)
    }
  }
}

/// A property that an input breaks.
struct FuzzViolation: Error, CustomStringConvertible {
  let description: String
}

func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
  if !condition { throw FuzzViolation(description: message()) }
}

/// Every field of a value, for a message: descriptions are short.
func fields(_ value: some Any) -> String {
  Mirror(reflecting: value).children.map { "\($0.label ?? ""): \($0.value)" }.joined(separator: ", ")
}

/// What `body` returns, which must not throw here.
func must<Value>(_ message: @autoclosure () -> String, _ body: () throws -> Value) throws -> Value {
  do {
    return try body()
  } catch let error as FuzzViolation {
    throw error
  } catch {
    throw FuzzViolation(description: "\(message()): \(error)")
  }
}

/// Lends the bytes as what records are read from.
func withSpan<Value>(_ bytes: [UInt8], _ body: (RawSpan) throws -> Value) rethrows -> Value {
  let span = bytes.span
  // SAFETY: every byte of an array is initialised, and the array outlives the call.
  return try body(unsafe span.bytes)
}

/// Takes an input apart from its beginning; at its end there are zeros.
struct FuzzInput {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  var isEmpty: Bool { rest.isEmpty }
  var remaining: [UInt8] { Array(rest) }

  mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

  mutating func number<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) -> Number {
    (0..<Number.bitWidth / 8).reduce(0) { number, index in number | Number(truncatingIfNeeded: byte()) << Number(index * 8) }
  }

  mutating func bytes(_ count: Int) -> [UInt8] {
    let taken = rest.prefix(count)
    rest = rest.dropFirst(count)
    return Array(taken)
  }
}
