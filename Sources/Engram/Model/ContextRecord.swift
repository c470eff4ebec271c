import Synchronization

/// A per-user profile of any shape: immutable, stored as one CBOR map, at most one of each type for each user.
///
/// Declare the fields with `let` and change a context by making a new one:
///
/// ```swift
/// struct Mood: ContextRecord {
///   let userID: String
///   let score: Double
/// }
/// ```
public protocol ContextRecord: Codable, Sendable {
  /// The name under which the records are stored: 1 to 64 bytes of letters, digits, `.`, `_` and `-`. The default is the type's own name,
  /// without its module and enclosing types: declare `recordType` if the type may ever be renamed, or if another type has the same name. If
  /// two types of a process have the same default, the second one gets `.invalidArgument`, because it would read the records of the first.
  static var recordType: String { get }

  /// The version of the record's shape; 1 by default. Raise it when an older record no longer decodes as it is.
  static var schemaVersion: Int { get }

  /// Whose context it is: 1 to 1024 UTF-8 bytes.
  var userID: String { get }

  /// Makes a value from a record that was stored under another schema version.
  ///
  /// The default decodes it as it is, which suffices if fields were only added as optionals. A newer record is passed in
  /// as well, with its higher version: throw if it cannot be understood.
  static func migrate(fromVersion version: Int, _ decoder: any Decoder) throws -> Self
}

extension ContextRecord {
  public static var recordType: String { RecordTypeNames.name(of: Self.self) }
  public static var schemaVersion: Int { 1 }
  public static func migrate(fromVersion version: Int, _ decoder: any Decoder) throws -> Self { try Self(from: decoder) }
}

/// The default names, cached: to get one from the runtime takes a microsecond, and a context is read in three.
private enum RecordTypeNames {
  private struct State {
    var names: [ObjectIdentifier: String] = [:]
    /// The first type of each name in this process.
    var owners: [String: any ContextRecord.Type] = [UserContext.recordType: UserContext.self]
  }

  private static let state = Mutex(State())

  static func name(of type: any ContextRecord.Type) -> String {
    state.withLock { state in
      if let name = state.names[ObjectIdentifier(type)] { return name }
      let name = String(describing: type)
      state.names[ObjectIdentifier(type)] = name
      if state.owners[name] == nil { state.owners[name] = type }
      return name
    }
  }

  /// The type that was the first in this process to have the default name of `type`; nil if that is `type` itself, or if `type` declares
  /// its name.
  static func rival(of type: any ContextRecord.Type, _ recordType: String) -> (any ContextRecord.Type)? {
    state.withLock { state in
      guard state.names[ObjectIdentifier(type)] == recordType, let owner = state.owners[recordType], owner != type else { return nil }
      return owner
    }
  }
}

extension ContextRecord {
  /// ``recordType``, checked.
  ///
  /// - Throws: ``StoreError`` `.invalidArgument` if it is not a legal name, or another type has it by default as well.
  static func checkedRecordType() throws(StoreError) -> String {
    let recordType = recordType
    if Self.self == UserContext.self { return recordType }
    try Limits.checkRecordType(recordType)
    if let rival = RecordTypeNames.rival(of: Self.self, recordType) {
      throw StoreError(
        .invalidArgument,
        "\(String(reflecting: Self.self)) and \(String(reflecting: rival)) are both stored as '\(recordType)': give one of them a static recordType of its own"
      )
    }
    return recordType
  }
}
