/// Keeps writers out of an environment that is read without LMDB's locks: no reader slot shows there which pages are in use.
///
/// Entered and left by every ``EnvironmentSnapshot`` for as long as it is active.
package protocol ReadExclusion: Sendable {
  /// Counts one snapshot in; the first one takes the lock, waiting for a limited time.
  func enter() throws(LMDBError)
  func leave()
}
