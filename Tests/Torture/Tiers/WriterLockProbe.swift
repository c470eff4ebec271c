import Files
import Foundation
import LMDB

/// Holds `writer.lock` beside processes that write: whoever commits all the same has not taken it.
struct WriterLockProbe {
  let store: String

  /// Of a process that gives the lock back after each batch.
  private static let patience = 30.0

  func violations(holdingFor seconds: Double) throws -> [String] {
    // Nobody has made the store yet.
    guard let lock = try FileLock(ifExists: "\(store)/writer.lock") else { return [] }
    guard try take(lock) else { return ["nobody gave writer.lock back within \(Int(Self.patience)) s"] }
    defer { try? lock.unlock() }
    guard let data = liveDataFile(), let before = try lastTransaction(data) else { return [] }
    Thread.sleep(forTimeInterval: seconds)
    guard let after = try lastTransaction(data), after != before else { return [] }
    return ["transaction \(before) was followed by \(after) while writer.lock was held by a process that writes nothing"]
  }

  /// Of the generation in `current`. The one that is being built has writers of its own, which need no lock.
  private func liveDataFile() -> String? {
    guard let name = try? String(contentsOfFile: "\(store)/current", encoding: .utf8) else { return nil }
    return "\(store)/\(name.trimmingCharacters(in: .newlines))/data.mdb"
  }

  private func take(_ lock: borrowing FileLock) throws -> Bool {
    let started = Date()
    while try !lock.tryLock(.exclusive) {
      if -started.timeIntervalSinceNow > Self.patience { return false }
      // `flock` knows no limit of time. Those who wait in line leave a moment between each two of them.
      usleep(100)
    }
    return true
  }

  /// Nil where a compaction has removed the file.
  private func lastTransaction(_ path: String) throws -> UInt64? {
    do throws(FileError) {
      return try MetaPair.read(FileHandle(path: path, access: .read)).newest.transactionID
    } catch {
      if error.isMissing { return nil }
      throw error
    }
  }
}
