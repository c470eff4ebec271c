import Formats

/// The data that an erasure removes.
enum ErasureSubject: Sendable {
  /// Everything of the user.
  case user(String)
  /// Single memories of the user, who stays; of any users if `userID` is nil.
  case memories(Set<MemoryID>, userID: String?)

  init(_ subject: ErasureReceipt.Subject) {
    self =
      switch subject {
      case .user(let userID): .user(userID)
      case .memories(let ids, let userID): .memories(Set(ids), userID: userID)
      }
  }

  func contains(_ memory: Memory) -> Bool {
    switch self {
    case .user(let userID): memory.userID.hasSameBytes(as: userID)
    case .memories(let ids, let userID): ids.contains(memory.id) && userID.map(memory.userID.hasSameBytes) ?? true
    }
  }
}
