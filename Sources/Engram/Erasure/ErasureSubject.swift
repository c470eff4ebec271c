import Formats

/// Whose traces an erasure takes away.
enum ErasureSubject: Sendable {
  /// Everything of the user.
  case user(String)
  /// Single memories, of any users, who stay.
  case memories(Set<MemoryID>)

  init(_ subject: ErasureReceipt.Subject) {
    self =
      switch subject {
      case .user(let userID): .user(userID)
      case .memories(let ids): .memories(Set(ids))
      }
  }

  func contains(_ memory: Memory) -> Bool {
    switch self {
    case .user(let userID): memory.userID.hasSameBytes(as: userID)
    case .memories(let ids): ids.contains(memory.id)
    }
  }
}
