/// Derived tables that a generation may lack, because a version of Engram that did not know them made it or wrote to it.
///
/// The state record names the tables that are complete. Each commit writes that record again, and a version that does not know a table does
/// not name it; so after its first commit the table does not count as complete any more. A table that is not named is neither read nor kept
/// up to date, and reads do not use it. The next generation has every table: a rebuild builds a missing one, while reads and writes go on.
struct OptionalTables: OptionSet, Sendable {
  let rawValue: UInt64

  static let sessions = OptionalTables(rawValue: 1)
  static let words = OptionalTables(rawValue: 2)

  /// All optional tables that this version keeps up to date.
  static let known: OptionalTables = [.sessions, .words]
}
