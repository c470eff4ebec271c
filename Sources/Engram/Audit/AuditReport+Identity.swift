import Formats

// UserIDs, names and excerpts are equal if their bytes are, see ``ByteIdentity``.

extension AuditReport.User {
  public static func == (left: Self, right: Self) -> Bool {
    left.userID.hasSameBytes(as: right.userID) && left.memories == right.memories && left.contexts == right.contexts
      && left.embeddings == right.embeddings && left.textBytes == right.textBytes
  }

  public func hash(into hasher: inout Hasher) { userID.hash(bytesInto: &hasher) }
}

extension AuditReport.Group {
  public static func == (left: Self, right: Self) -> Bool {
    left.userID.hasSameBytes(as: right.userID) && left.count == right.count && left.ids == right.ids
      && left.excerpt.hasSameBytes(as: right.excerpt)
  }

  public func hash(into hasher: inout Hasher) { hasher.combine(ids) }
}

extension AuditReport.Name {
  public static func == (left: Self, right: Self) -> Bool { left.name.hasSameBytes(as: right.name) && left.count == right.count }

  public func hash(into hasher: inout Hasher) { name.hash(bytesInto: &hasher) }
}

extension AuditReport.Partial {
  public static func == (left: Self, right: Self) -> Bool {
    left.userID.hasSameBytes(as: right.userID) && left.embeddings == right.embeddings && left.compared == right.compared
      && left.possible == right.possible
  }

  public func hash(into hasher: inout Hasher) { userID.hash(bytesInto: &hasher) }
}

extension AuditReport.Pair {
  public static func == (left: Self, right: Self) -> Bool {
    left.userID.hasSameBytes(as: right.userID) && left.score == right.score && left.first == right.first && left.second == right.second
      && left.firstExcerpt.hasSameBytes(as: right.firstExcerpt) && left.secondExcerpt.hasSameBytes(as: right.secondExcerpt)
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(first)
    hasher.combine(second)
  }
}

extension AuditReport.Constant {
  public static func == (left: Self, right: Self) -> Bool {
    left.count == right.count && left.users == right.users && left.texts == right.texts && left.ids == right.ids
      && left.excerpt.hasSameBytes(as: right.excerpt)
  }

  public func hash(into hasher: inout Hasher) { hasher.combine(ids) }
}
