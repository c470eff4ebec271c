import Foundation

// A filter is an object of one key, the name of the case: {"kind": "fact"}, {"created": {"from": …, "to": …}}, {"importance": {"atLeast":
// 0.5}}, {"metadata": {"key": "city", "equals": "Rome"}}, {"and": [{…}, {…}]}, {"not": {…}}. Dates are as the encoder writes dates.
extension Filter: Codable {
  private enum CodingKeys: String, CodingKey {
    case kind, session, speaker, ids, created, expires, importance, metadata, metadataRange, hasMetadata, tag, source, trust, valid,
      superseded, and, or, not
  }

  private struct DateRange: Codable {
    var from: Date?
    var to: Date?
  }

  private struct Least<Value: Codable>: Codable {
    var atLeast: Value
  }

  private struct Instant: Codable {
    var at: Date
  }

  private struct Entry: Codable {
    var key: String
    var equals: MetadataValue
  }

  private struct EntryRange: Codable {
    var key: String
    var from: MetadataValue?
    var to: MetadataValue?
  }

  /// - Throws: `DecodingError` unless there is exactly one key, and it is the name of a case.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    guard container.allKeys.count == 1, let key = container.allKeys.first else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: container.codingPath, debugDescription: "a filter has one key, the name of a condition"))
    }
    func value<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value { try container.decode(type, forKey: key) }
    switch key {
    case .kind: self = .kind(try value())
    case .session: self = .session(try value())
    case .speaker: self = .speaker(try value())
    case .ids: self = .ids(try value())
    case .created:
      let range = try value(DateRange.self)
      self = .created(from: range.from, to: range.to)
    case .expires:
      let range = try value(DateRange.self)
      self = .expires(from: range.from, to: range.to)
    case .importance: self = .importance(atLeast: try value(Least<Double>.self).atLeast)
    case .metadata:
      let entry = try value(Entry.self)
      self = .metadata(entry.key, equals: entry.equals)
    case .metadataRange:
      let range = try value(EntryRange.self)
      self = .metadataRange(range.key, from: range.from, to: range.to)
    case .hasMetadata: self = .hasMetadata(try value())
    case .tag: self = .tag(try value())
    case .source: self = .source(try value())
    case .trust: self = .trust(atLeast: try value(Least<Trust>.self).atLeast)
    case .valid: self = .valid(at: try value(Instant.self).at)
    case .superseded:
      guard try value(Bool.self) else {
        throw DecodingError.dataCorruptedError(forKey: key, in: container, debugDescription: "superseded can only be true: use not")
      }
      self = .superseded
    case .and: self = .and(try value())
    case .or: self = .or(try value())
    case .not: self = .not(try value())
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .kind(let kind): try container.encode(kind, forKey: .kind)
    case .session(let session): try container.encode(session, forKey: .session)
    case .speaker(let speaker): try container.encode(speaker, forKey: .speaker)
    case .ids(let ids): try container.encode(ids.sorted(), forKey: .ids)
    case .created(let from, let to): try container.encode(DateRange(from: from, to: to), forKey: .created)
    case .expires(let from, let to): try container.encode(DateRange(from: from, to: to), forKey: .expires)
    case .importance(let least): try container.encode(Least(atLeast: least), forKey: .importance)
    case .metadata(let key, let value): try container.encode(Entry(key: key, equals: value), forKey: .metadata)
    case .metadataRange(let key, let from, let to):
      try container.encode(EntryRange(key: key, from: from, to: to), forKey: .metadataRange)
    case .hasMetadata(let key): try container.encode(key, forKey: .hasMetadata)
    case .tag(let tag): try container.encode(tag, forKey: .tag)
    case .source(let source): try container.encode(source, forKey: .source)
    case .trust(let least): try container.encode(Least(atLeast: least), forKey: .trust)
    case .valid(let date): try container.encode(Instant(at: date), forKey: .valid)
    case .superseded: try container.encode(true, forKey: .superseded)
    case .and(let parts): try container.encode(parts, forKey: .and)
    case .or(let parts): try container.encode(parts, forKey: .or)
    case .not(let part): try container.encode(part, forKey: .not)
    }
  }
}
