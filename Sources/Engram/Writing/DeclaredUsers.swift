import Formats

/// The users that a write body has declared, and the first use of another one.
///
/// A class, because calls that only read the transaction record a violation as well. Used on the writer thread alone.
final class DeclaredUsers {
  /// Compared byte for byte, as users are.
  private let names: Set<[UInt8]>
  private(set) var violation: StoreError?

  /// - Throws: ``StoreError`` `.invalidUserID`.
  init(_ userIDs: [String]) throws(StoreError) {
    for userID in userIDs { try Limits.checkUserID(userID) }
    names = Set(userIDs.map { Array($0.utf8) })
  }

  /// - Throws: ``StoreError`` `.undeclaredUser`; the write fails even if the body catches it.
  func check(_ scope: SearchScope) throws(StoreError) {
    let undeclared: String?
    switch scope {
    case .user(let userID): undeclared = isDeclared(userID) ? nil : "the user '\(userID)'"
    case .users(let userIDs): undeclared = userIDs.first { !isDeclared($0) }.map { "the user '\($0)'" }
    case .all: undeclared = "all users"
    }
    guard let undeclared else { return }
    let error = StoreError(
      .undeclaredUser,
      "the write uses \(undeclared), which write(users:) does not declare; nothing of the write is committed: declare every user")
    if violation == nil { violation = error }
    throw error
  }

  private func isDeclared(_ userID: String) -> Bool { names.contains(Array(userID.utf8)) }
}

extension WriteTransaction {
  /// Runs a body that may use these users only.
  ///
  /// - Throws: What the body throws; ``StoreError`` `.undeclaredUser` if it used another user, even if it caught that error;
  ///   `.invalidUserID`.
  mutating func restricted<Value>(
    to userIDs: [String], _ body: (inout WriteTransaction) throws -> Value
  ) throws -> Value {
    let declared = try DeclaredUsers(userIDs)
    self.declared = declared
    defer { self.declared = nil }
    let value = try body(&self)
    if let violation = declared.violation { throw violation }
    return value
  }
}
