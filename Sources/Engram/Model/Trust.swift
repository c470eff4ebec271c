/// How reliable a memory is: a small scale, ordered from ``low`` to ``high``.
public enum Trust: String, Sendable, Hashable, Codable, CaseIterable, Comparable {
  /// From outside: a web page, a tool, another person's message.
  case low
  /// As the user said it.
  case medium
  /// Confirmed by the user or the application.
  case high

  /// 1…3, as it is stored; 0 in the columns means none.
  var level: UInt8 {
    switch self {
    case .low: 1
    case .medium: 2
    case .high: 3
    }
  }

  init?(level: UInt8) {
    guard let trust = Self.allCases.first(where: { $0.level == level }) else { return nil }
    self = trust
  }

  public static func < (left: Trust, right: Trust) -> Bool { left.level < right.level }
}
