/// Derived tables that a generation may lack: it was made by a version of Engram that did not know them, or written to by one.
///
/// The state record names those that are complete. Each commit writes that record anew, and a version that does not know a table does not name
/// it: so its first commit is the end of a table that it does not keep up. What is not named is neither read nor kept up, and reads do
/// without. The next generation has every table, so a rebuild is how a missing one is built, while others read and write.
struct OptionalTables: OptionSet, Sendable {
  let rawValue: UInt64

  static let sessions = OptionalTables(rawValue: 1)
  static let words = OptionalTables(rawValue: 2)

  /// All that this version keeps up.
  static let known: OptionalTables = [.sessions, .words]
}
