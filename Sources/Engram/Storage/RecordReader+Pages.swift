import Formats

/// A kind of listing that is read page by page.
enum Listing {
  case users
  /// - users: Each once, in ascending order; nil: all.
  case memories(users: [UserKey]?, newestFirst: Bool)
  case session(UserKey, of: UserKey, newestFirst: Bool)

  /// Two listings have different names if their order or their elements differ.
  fileprivate var name: String {
    switch self {
    case .users: "users"
    case .memories(let users, let newestFirst):
      "memories \(newestFirst ? "newest" : "oldest") \(users?.map { "\($0.high) \($0.low)" }.joined(separator: ",") ?? "all")"
    case .session(let session, let user, let newestFirst):
      "session \(newestFirst ? "newest" : "oldest") \(session.high) \(session.low) \(user.high) \(user.low)"
    }
  }
}

/// The last element of a page: a memory's time and id, or 0 and a user's key.
struct PagePosition: Equatable {
  let time: Int64
  let high: UInt64
  let low: UInt64
}

/// Cursors: one byte for the version, 24 for the position, and 8 for a hash of the position and the listing, encoded as Base64 with the
/// alphabet for URLs. The hash is keyed with the store's secret, and shows whether a cursor is damaged or foreign.
extension RecordReader {
  func cursor(at position: PagePosition, in listing: Listing) -> PageCursor {
    let numbers = [UInt64(bitPattern: position.time), position.high, position.low, check(position, listing)]
    var bytes: [UInt8] = [1]
    for number in numbers {
      for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(shift))) }
    }
    var text: [UInt8] = []
    Base64.encode(bytes, into: &text)
    return PageCursor(String(decoding: text.map(Self.addressDigit), as: UTF8.self))
  }

  /// - Throws: ``StoreError`` `.invalidArgument` for a cursor that is damaged or of another listing.
  func position(of cursor: PageCursor, in listing: Listing) throws(StoreError) -> PagePosition {
    let text = cursor.description.utf8
    if text.count == 44, let bytes = try? Base64.decode(text.map(Self.base64Digit)), bytes.count == 33, bytes[0] == 1 {
      let numbers = [1, 9, 17, 25].map { start in bytes[start..<start + 8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
      let position = PagePosition(time: Int64(bitPattern: numbers[0]), high: numbers[1], low: numbers[2])
      if numbers[3] == check(position, listing) { return position }
    }
    throw StoreError(
      .invalidArgument,
      "the cursor '\(TerminalText.excerpt(cursor.description))' is damaged, or of another store, scope or order: begin with the first page")
  }

  private func check(_ position: PagePosition, _ listing: Listing) -> UInt64 {
    userKey("page after \(position.time) \(position.high) \(position.low) of \(listing.name)").high
  }

  private static func addressDigit(_ digit: UInt8) -> UInt8 {
    switch digit {
    case UInt8(ascii: "+"): UInt8(ascii: "-")
    case UInt8(ascii: "/"): UInt8(ascii: "_")
    default: digit
    }
  }

  /// `+` and `/` become an invalid digit, so that each cursor has only one text.
  private static func base64Digit(_ digit: UInt8) -> UInt8 {
    switch digit {
    case UInt8(ascii: "-"): UInt8(ascii: "+")
    case UInt8(ascii: "_"): UInt8(ascii: "/")
    case UInt8(ascii: "+"), UInt8(ascii: "/"): UInt8(ascii: "*")
    default: digit
    }
  }
}

extension RecordReader {
  /// A page of the live memories of a scope that the filter matches: of users by `createdAt`, equal times by id; of all users by id.
  ///
  /// - Throws: ``StoreError`` `.invalidArgument`, `.invalidUserID`, `.corrupted`; `CancellationError`.
  func page(
    of scope: SearchScope, newestFirst: Bool, after cursor: PageCursor?, limit: Int, filter: Filter?
  ) throws -> Page<Memory> {
    try Limits.check(pageSize: limit)
    try Limits.check(scope)
    try Limits.check(filter)
    let users = users(of: scope)
    let listing = Listing.memories(users: users?.map(\.key), newestFirst: newestFirst)
    return try page(listing, after: cursor, limit, filter) { position, visit in
      if let users {
        try forEachMemory(of: users, newestFirst: newestFirst, after: position, visit)
      } else {
        try forEachMemory(newestFirst: newestFirst, after: position?.id, visit)
      }
    }
  }

  /// A page of the live memories of a user's session that the filter matches, by `createdAt`, equal times by id.
  ///
  /// - Throws: As ``page(of:newestFirst:after:limit:filter:)``.
  func page(
    ofSession sessionID: String, of userID: String, newestFirst: Bool, after cursor: PageCursor?, limit: Int, filter: Filter?
  ) throws -> Page<Memory> {
    try Limits.check(pageSize: limit)
    try Limits.checkUserID(userID)
    try Limits.checkName(sessionID, "sessionID")
    try Limits.check(filter)
    let listing = Listing.session(userKey(sessionID), of: userKey(userID), newestFirst: newestFirst)
    return try page(listing, after: cursor, limit, filter) { position, visit in
      try forEachMemory(inSession: sessionID, of: userID, newestFirst: newestFirst, after: position, visit)
    }
  }

  private func page(
    _ listing: Listing, after cursor: PageCursor?, _ limit: Int, _ filter: Filter?,
    _ walk: (TimelinePosition?, (MemoryRecord) throws -> Bool) throws -> Void
  ) throws -> Page<Memory> {
    let position = try cursor.map { try self.position(of: $0, in: listing) }
      .map { TimelinePosition(createdAt: $0.time, id: MemoryID(high: $0.high, low: $0.low)) }
    var elements: [Memory] = []
    var hasMore = false
    var meter = WorkMeter(.comparing, total: 0) { _ in try Task.checkCancellation() }
    let visit = { (record: MemoryRecord) -> Bool in
      if filter?.matches(record.memory) ?? true {
        hasMore = elements.count == limit
        if hasMore { return false }
        elements.append(record.memory)
      }
      try meter.pass(bytes: record.memory.text.utf8.count)
      return true
    }
    try walk(position, visit)
    guard hasMore, let last = elements.last else { return Page(elements, next: nil) }
    let end = PagePosition(time: last.createdAt.milliseconds, high: last.id.high, low: last.id.low)
    return Page(elements, next: self.cursor(at: end, in: listing))
  }

  /// Walks the live memories of a session by time, equal times by id, until `body` returns false.
  ///
  /// - Complexity: O(log memories + the session's memories); O(the user's memories) if the store lacks the index.
  private func forEachMemory(
    inSession sessionID: String, of userID: String, newestFirst: Bool, after position: TimelinePosition?,
    _ body: (MemoryRecord) throws -> Bool
  ) throws {
    guard try has(Tables.Sessions.self) else {
      return try forEachMemory(of: userID, newestFirst: newestFirst, after: position) { record in
        try !record.memory.sessionID.hasSameBytes(as: sessionID) || body(record)
      }
    }
    let (user, session) = (userKey(userID), userKey(sessionID))
    let start = position.map { WalkStart.after(SessionKey(user: user, session: session, createdAt: $0.createdAt, id: $0.id)) } ?? .end
    try walkKeys(Tables.Sessions.self, prefix: SessionKey.prefix(user, session), from: start, backwards: newestFirst) { key in
      // The names differ only if another user or session has the same hash.
      guard let record = try record(key.id, of: userID), record.memory.sessionID.hasSameBytes(as: sessionID) else { return true }
      return try body(record)
    }
  }

  /// Walks the live memories of several users by time, equal times by id, until `body` returns false.
  ///
  /// - Complexity: O(users) for each memory.
  private func forEachMemory(
    of users: [(key: UserKey, userID: String)], newestFirst: Bool, after position: TimelinePosition?,
    _ body: (MemoryRecord) throws -> Bool
  ) throws {
    if users.count == 1 { return try forEachMemory(of: users[0].userID, newestFirst: newestFirst, after: position, body) }
    var timelines = users.map { Timeline(user: $0.key, userID: $0.userID, last: position) }
    while true {
      var first: Int?
      for index in timelines.indices {
        guard let candidate = try timelines[index].next(self, newestFirst: newestFirst) else { continue }
        if let leader = first.flatMap({ timelines[$0].pending.last }) {
          let isEarlier = (candidate.createdAt, candidate.id) < (leader.createdAt, leader.id)
          if isEarlier == newestFirst { continue }
        }
        first = index
      }
      guard let first, let place = timelines[first].pending.popLast() else { return }
      guard let record = try record(place.id, of: timelines[first].userID) else { continue }
      if try !body(record) { return }
    }
  }

  /// The keys of a user's timeline, read 16 at a time.
  private struct Timeline {
    let user: UserKey
    let userID: String
    /// The last key that was read.
    var last: TimelinePosition?
    /// Keys that were read and not taken yet, the next one last.
    var pending: [TimelinePosition] = []
    var isAtEnd = false

    init(user: UserKey, userID: String, last: TimelinePosition?) {
      self.user = user
      self.userID = userID
      self.last = last
    }

    mutating func next(_ reader: borrowing RecordReader, newestFirst: Bool) throws -> TimelinePosition? {
      if let next = pending.last { return next }
      if isAtEnd { return nil }
      let start = last.map { WalkStart.after(TimelineKey(user: user, createdAt: $0.createdAt, id: $0.id)) } ?? .end
      var read: [TimelinePosition] = []
      try reader.walkKeys(Tables.Timeline.self, prefix: user.prefix, from: start, backwards: newestFirst) { key in
        read.append(TimelinePosition(createdAt: key.createdAt, id: key.id))
        return read.count < 16
      }
      isAtEnd = read.count < 16
      last = read.last ?? last
      pending = read.reversed()
      return pending.last
    }
  }
}
