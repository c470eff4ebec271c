/// The time in which a user may be forgotten: the user is completely there at first, and completely gone from some moment on.
struct ForgetWindow {
  let user: String
  /// When the transaction began that allows the forgetting.
  let began: UInt64
  /// What the user has while it is there.
  let value: HistoryUser
  private var seen: [(found: HistoryUser, snapshot: HistorySnapshot)] = []

  init(user: String, began: UInt64, value: HistoryUser) {
    self.user = user
    self.began = began
    self.value = value
  }

  mutating func add(_ found: HistoryUser, _ snapshot: HistorySnapshot) { seen.append((found, snapshot)) }

  /// - Parameters:
  ///   - forgets: All calls of `forget` in the history.
  ///   - end: When the transaction began that ends the window; the default if the window did not end.
  func violations(_ forgets: [HistoryLog.Forget], endedAt end: UInt64 = .max) -> [String] {
    let calls = forgets.filter { $0.user == user && $0.invokedAt > began && $0.invokedAt < end }
    let firstCall = calls.map(\.invokedAt).min() ?? .max
    // From this time on no snapshot may show the user: a call has returned, or a snapshot has shown that the user is gone.
    var goneFrom = calls.compactMap(\.returnedAt).min() ?? .max
    var problems: [String] = []
    // A user without content looks the same before and after.
    let isTold = !value.isGone
    for (found, snapshot) in seen.sorted(by: { $0.snapshot.takenAt < $1.snapshot.takenAt }) {
      if found.isGone {
        if isTold, snapshot.takenAt < firstCall {
          problems.append("snapshot \(snapshot.id) does not show \(user), whom nobody had forgotten yet")
        }
        goneFrom = min(goneFrom, snapshot.takenAt)
      } else if found != value {
        problems.append("snapshot \(snapshot.id) shows a part of \(user), who is being forgotten: \(found) of \(value)")
      }
    }
    for (found, snapshot) in seen where isTold && found == value && snapshot.requestedAt > goneFrom {
      problems.append("snapshot \(snapshot.id) shows \(user), who was forgotten before it was asked for")
    }
    return problems
  }
}
