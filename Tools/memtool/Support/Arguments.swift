import ArgumentParser
import Engram
import Formats
import Foundation

/// `key=value` on the command line. The value is a number, `true` or `false` if it reads as one, a JSON string if it begins with a
/// quote, and a text otherwise.
struct MetadataArgument: ExpressibleByArgument {
  let key: String
  let value: MetadataValue

  init?(argument: String) {
    guard let equals = argument.firstIndex(of: "="), equals > argument.startIndex else { return nil }
    key = String(argument[..<equals])
    let text = String(argument[argument.index(after: equals)...])
    value = (try? JSONReader.read(Array(text.utf8)) { reader in try reader.readMetadataValue() }) ?? .string(text)
  }
}

/// A vector on the command line: a JSON array, or the name of a file that holds one.
struct VectorArgument: ExpressibleByArgument {
  let argument: String

  init?(argument: String) { self.argument = argument }

  /// - Throws: ``StoreError`` `.invalidArgument`, `.inputOutput`.
  func embedding() throws -> Embedding {
    if argument.first == "[" { return try Self.parse(Array(argument.utf8), "the vector") }
    return try Self.parse(try InputFile.read(argument), argument)
  }

  private static func parse(_ bytes: [UInt8], _ name: String) throws -> Embedding {
    do {
      return try JSONReader.read(bytes) { reader in
        var floats: [Float] = []
        try reader.readFloatArray(into: &floats, atMost: 65_536)
        return Embedding(floats)
      }
    } catch let error as JSONError {
      throw StoreError(.invalidArgument, "\(name) is not a JSON array of numbers: \(error)")
    }
  }
}

/// Small inputs, read whole.
enum InputFile {
  /// As much as a line of an import may have.
  private static let limit = Interchange.lineBytes

  /// - Parameter path: `-` for standard input.
  /// - Throws: ``StoreError`` `.inputOutput`; `.valueTooLarge` above 64 MiB: a device would never end.
  static func read(_ path: String) throws -> [UInt8] {
    let name = path == "-" ? "standard input" : path
    var bytes: [UInt8] = []
    do {
      let handle = path == "-" ? FileHandle.standardInput : try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
      while bytes.count <= limit, let part = try handle.read(upToCount: 1 << 20), !part.isEmpty { bytes += part }
    } catch {
      throw StoreError(.inputOutput, "\(name) cannot be read: \(Failure.message(of: error))")
    }
    guard bytes.count <= limit else { throw StoreError(.valueTooLarge, "\(name) has more than \(limit >> 20) MiB") }
    return bytes
  }

  /// A text argument; `-` means standard input, without the line feed at its end.
  static func text(_ argument: String) throws -> String {
    guard argument == "-" else { return argument }
    var bytes = try read("-")
    if bytes.last == 0x0A { bytes.removeLast() }
    guard let text = String(validating: bytes, as: UTF8.self) else { throw StoreError(.invalidArgument, "standard input is not UTF-8") }
    return text
  }
}

/// The options for the users whose memories a command works on.
struct ScopeOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Only the memories of this user; MEMTOOL_USER if neither this nor --all is given.", valueName: "id"))
  var user: String?

  @Flag(help: "The memories of all users.")
  var all = false

  /// Neither is the default, so that a search of one user cannot become one of all users by mistake.
  func validate() throws {
    if user != nil, all { throw ValidationError("Give either --user or --all, not both.") }
  }

  /// Nil if neither was given.
  var scope: SearchScope? { all ? .all : user.map(SearchScope.user) }

  static let missing = ValidationError("Say whose memories: --user <id> or --all.")
}

/// Conditions on memories; all of them must hold.
struct FilterOptions: ParsableArguments {
  @Option(help: "Only memories of this kind.")
  var kind: String?

  @Option(help: ArgumentHelp("Only memories of this session.", valueName: "id"))
  var session: String?

  @Option(help: ArgumentHelp("Only what this speaker said.", valueName: "name"))
  var speaker: String?

  @Option(
    help: ArgumentHelp("Only memories created at this time or later, such as 2026-01-02 or 7d.", valueName: "time"),
    transform: TimeArgument.past)
  var since: TimeArgument?

  @Option(help: ArgumentHelp("Only memories created before this time.", valueName: "time"), transform: TimeArgument.past)
  var until: TimeArgument?

  @Option(help: ArgumentHelp("Only memories that have this tag; may be given more than once.", valueName: "tag"))
  var tag: [String] = []

  @Option(help: ArgumentHelp("Only memories from this source.", valueName: "words"))
  var source: String?

  @Option(help: "Only memories that can be relied on as far as this, at least.")
  var trust: Trust?

  @Option(help: ArgumentHelp("Only what holds at this time.", valueName: "time"), transform: TimeArgument.past)
  var validAt: TimeArgument?

  @Flag(help: "Only memories in whose place others were added, which a search leaves out otherwise.")
  var superseded = false

  @Option(
    name: .customLong("metadata"),
    help: ArgumentHelp("Only memories whose metadata has this value; may be given more than once.", valueName: "key=value"))
  var metadata: [MetadataArgument] = []

  /// Nil if no condition was given.
  var filter: Filter? {
    var filters: [Filter] = []
    if let kind { filters.append(.kind(kind)) }
    if let session { filters.append(.session(session)) }
    if let speaker { filters.append(.speaker(speaker)) }
    if since != nil || until != nil { filters.append(.created(from: since?.date, to: until?.date)) }
    for tag in tag { filters.append(.tag(tag)) }
    if let source { filters.append(.source(source)) }
    if let trust { filters.append(.trust(atLeast: trust)) }
    if let validAt { filters.append(.valid(at: validAt.date)) }
    if superseded { filters.append(.superseded) }
    for pair in metadata { filters.append(.metadata(pair.key, equals: pair.value)) }
    return filters.isEmpty ? nil : filters.count == 1 ? filters[0] : .and(filters)
  }
}
