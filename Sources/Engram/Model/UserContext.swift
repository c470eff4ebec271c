import Formats
public import Foundation

/// What an assistant knows about one user at a glance. Immutable: `with(…)` makes a changed copy.
public struct UserContext: ContextRecord, Hashable {
  public static let recordType = "UserContext"

  public let userID: String
  /// Exchanges so far.
  public let conversationsCount: Int
  public let friendshipLevel: Int
  public let preferences: [String: String]
  public let topics: [String]
  /// Nil before the first exchange.
  public let lastMessage: String?
  public let lastResponse: String?
  /// Whole milliseconds.
  public let firstSeen: Date
  public let lastSeen: Date

  /// - Parameters:
  ///   - firstSeen: Rounded to milliseconds, as the store keeps it.
  ///   - lastSeen: Likewise; `firstSeen` by default.
  public init(
    userID: String, conversationsCount: Int = 0, friendshipLevel: Int = 0, preferences: [String: String] = [:],
    topics: [String] = [], lastMessage: String? = nil, lastResponse: String? = nil, firstSeen: Date = Date(), lastSeen: Date? = nil
  ) {
    self.userID = userID
    self.conversationsCount = conversationsCount
    self.friendshipLevel = friendshipLevel
    self.preferences = preferences
    self.topics = topics
    self.lastMessage = lastMessage
    self.lastResponse = lastResponse
    self.firstSeen = firstSeen.roundedToMilliseconds
    self.lastSeen = (lastSeen ?? firstSeen).roundedToMilliseconds
  }

  /// Whether all fields are the same, texts byte for byte.
  public static func == (left: UserContext, right: UserContext) -> Bool {
    left.userID.hasSameBytes(as: right.userID) && left.conversationsCount == right.conversationsCount
      && left.friendshipLevel == right.friendshipLevel && left.preferences.hasSameBytes(as: right.preferences)
      && left.topics.hasSameBytes(as: right.topics) && left.lastMessage.hasSameBytes(as: right.lastMessage)
      && left.lastResponse.hasSameBytes(as: right.lastResponse) && left.firstSeen == right.firstSeen && left.lastSeen == right.lastSeen
  }

  public func hash(into hasher: inout Hasher) {
    userID.hash(bytesInto: &hasher)
    hasher.combine(conversationsCount)
    hasher.combine(lastSeen)
  }

  /// From a record, whose times are whole milliseconds already.
  init(
    userID: String, conversationsCount: Int, friendshipLevel: Int, preferences: [String: String], topics: [String], lastMessage: String?,
    lastResponse: String?, firstSeenMilliseconds: Int64, lastSeenMilliseconds: Int64
  ) {
    self.userID = userID
    self.conversationsCount = conversationsCount
    self.friendshipLevel = friendshipLevel
    self.preferences = preferences
    self.topics = topics
    self.lastMessage = lastMessage
    self.lastResponse = lastResponse
    firstSeen = Date(milliseconds: firstSeenMilliseconds)
    lastSeen = Date(milliseconds: lastSeenMilliseconds)
  }

  /// A copy in which the given fields are changed; the userID stays.
  public func with(
    conversationsCount: Int? = nil, friendshipLevel: Int? = nil, preferences: [String: String]? = nil, topics: [String]? = nil,
    lastMessage: String?? = nil, lastResponse: String?? = nil, firstSeen: Date? = nil, lastSeen: Date? = nil
  ) -> UserContext {
    UserContext(
      userID: userID,
      conversationsCount: conversationsCount ?? self.conversationsCount,
      friendshipLevel: friendshipLevel ?? self.friendshipLevel,
      preferences: preferences ?? self.preferences,
      topics: topics ?? self.topics,
      lastMessage: lastMessage ?? self.lastMessage,
      lastResponse: lastResponse ?? self.lastResponse,
      firstSeen: firstSeen ?? self.firstSeen,
      lastSeen: lastSeen ?? self.lastSeen)
  }

  /// A copy after one more exchange.
  func afterExchange(message: String, response: String, at date: Date) -> UserContext {
    with(
      conversationsCount: conversationsCount == .max ? .max : conversationsCount + 1, lastMessage: message, lastResponse: response,
      lastSeen: max(date, firstSeen))
  }
}

// Times are integers of milliseconds, so that any language reads them.
extension UserContext {
  enum CodingKeys: String, CodingKey {
    case userID, conversationsCount, friendshipLevel, preferences, topics, lastMessage, lastResponse, firstSeen, lastSeen
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let firstSeen = try container.decode(Int64.self, forKey: .firstSeen)
    self.init(
      userID: try container.decode(String.self, forKey: .userID),
      conversationsCount: try container.decodeIfPresent(Int.self, forKey: .conversationsCount) ?? 0,
      friendshipLevel: try container.decodeIfPresent(Int.self, forKey: .friendshipLevel) ?? 0,
      preferences: try container.decodeIfPresent([String: String].self, forKey: .preferences) ?? [:],
      topics: try container.decodeIfPresent([String].self, forKey: .topics) ?? [],
      lastMessage: try container.decodeIfPresent(String.self, forKey: .lastMessage),
      lastResponse: try container.decodeIfPresent(String.self, forKey: .lastResponse),
      firstSeenMilliseconds: firstSeen,
      lastSeenMilliseconds: try container.decodeIfPresent(Int64.self, forKey: .lastSeen) ?? firstSeen)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(userID, forKey: .userID)
    try container.encode(conversationsCount, forKey: .conversationsCount)
    try container.encode(friendshipLevel, forKey: .friendshipLevel)
    try container.encode(preferences, forKey: .preferences)
    try container.encode(topics, forKey: .topics)
    try container.encodeIfPresent(lastMessage, forKey: .lastMessage)
    try container.encodeIfPresent(lastResponse, forKey: .lastResponse)
    try container.encode(firstSeen.milliseconds, forKey: .firstSeen)
    try container.encode(lastSeen.milliseconds, forKey: .lastSeen)
  }
}
