// Scopes and embeddings in JSON and other formats, also from a web request. A scope is an object of one key: {"user": "ada"},
// {"users": ["ada", "bob"]} or {"all": true}.

extension SearchScope: Codable {
  private enum CodingKeys: String, CodingKey { case user, users, all }

  /// - Throws: `DecodingError` unless there is exactly one of the keys; `all` must be true.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    guard container.allKeys.count == 1, let key = container.allKeys.first else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: container.codingPath, debugDescription: "a scope has one of the keys user, users and all"))
    }
    switch key {
    case .user: self = .user(try container.decode(String.self, forKey: .user))
    case .users: self = .users(try container.decode([String].self, forKey: .users))
    case .all:
      guard try container.decode(Bool.self, forKey: .all) else {
        throw DecodingError.dataCorruptedError(forKey: .all, in: container, debugDescription: "all can only be true")
      }
      self = .all
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .user(let userID): try container.encode(userID, forKey: .user)
    case .users(let userIDs): try container.encode(userIDs, forKey: .users)
    case .all: try container.encode(true, forKey: .all)
    }
  }
}

/// An array of the components.
extension Embedding: Codable {
  public init(from decoder: any Decoder) throws { self.init(try decoder.singleValueContainer().decode([Float].self)) }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(values)
  }
}
