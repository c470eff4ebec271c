import Foundation

/// The pause that a server asks for.
enum RetryAfter {
  /// - Parameters:
  ///   - value: The value of the header `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).
  ///   - milliseconds: The value of `Retry-After-Ms`, which is more precise.
  /// - Returns: Nil if neither is there or can be understood; zero for a date that has passed.
  static func pause(_ value: String?, milliseconds: String?, now: Date) -> Duration? {
    if let milliseconds, let number = number(milliseconds) { return .milliseconds(number) }
    guard let value else { return nil }
    if let number = number(value) { return .seconds(number) }
    guard let date = date(value) else { return nil }
    return .seconds(max(0, date.timeIntervalSince(now)))
  }

  private static func number(_ text: String) -> Double? {
    guard let number = Double(text.trimmingCharacters(in: .whitespaces)), number.isFinite, number >= 0 else { return nil }
    // Longer than any pause, and a `Duration` holds it.
    return min(number, 4e12)
  }

  /// A date in any of the three forms that HTTP knows (RFC 9110, section 5.6.7).
  private static func date(_ text: String) -> Date? {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.timeZone = TimeZone(secondsFromGMT: 0)
    for form in ["EEE, dd MMM yyyy HH:mm:ss zzz", "EEEE, dd-MMM-yy HH:mm:ss zzz", "EEE MMM d HH:mm:ss yyyy"] {
      formatter.dateFormat = form
      if let date = formatter.date(from: text.trimmingCharacters(in: .whitespaces)) { return date }
    }
    return nil
  }
}

/// The clock and the pauses of an embedder; tests replace them.
struct Pauses: Sendable {
  var now: @Sendable () -> Date = { Date() }
  /// Throws `CancellationError` at once if the task is cancelled.
  var wait: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
  /// The random factor of a pause, 0.5 to 1.
  var jitter: @Sendable () -> Double = { Double.random(in: 0.5...1) }

  /// How long to wait before attempt `attempt + 1`: twice as long each time, at least as long as the server asks for, and never longer than
  /// ``HTTPEmbedderOptions/longestPause``.
  func pause(afterAttempt attempt: Int, asked: Duration?, _ options: HTTPEmbedderOptions) -> Duration {
    var pause = options.firstPause
    for _ in 1..<max(attempt, 1) where pause < options.longestPause { pause *= 2 }
    pause = min(pause, options.longestPause) * jitter()
    return min(max(pause, asked ?? .zero), options.longestPause)
  }
}
