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
  /// The name under which the records are stored: 1 to 64 bytes of letters, digits, `.`, `_` and `-`. The type's own name by
  /// default; give it outright if the type may ever be renamed.
  static var recordType: String { get }

  /// The version of the record's shape; 1 by default. Raise it when an older record no longer decodes as it is.
  static var schemaVersion: Int { get }

  /// Whose context it is: 1 to 1024 UTF-8 bytes.
  var userID: String { get }

  /// Makes a value from a record that was stored under another schema version.
  ///
  /// The default decodes it as it is, which suffices where fields were only added as optionals. A newer record is passed in
  /// as well, with its higher version: throw if it cannot be understood.
  static func migrate(fromVersion version: Int, _ decoder: any Decoder) throws -> Self
}

extension ContextRecord {
  public static var recordType: String { RecordTypeNames.name(of: Self.self) }
  public static var schemaVersion: Int { 1 }
  public static func migrate(fromVersion version: Int, _ decoder: any Decoder) throws -> Self { try Self(from: decoder) }
}

/// The names of types, each asked of the runtime once: that takes a microsecond, and a context is read in three.
private enum RecordTypeNames {
  private static let names = Mutex<[ObjectIdentifier: String]>([:])

  static func name(of type: any ContextRecord.Type) -> String {
    names.withLock { names in
      if let name = names[ObjectIdentifier(type)] { return name }
      let name = String(describing: type)
      names[ObjectIdentifier(type)] = name
      return name
    }
  }
}
