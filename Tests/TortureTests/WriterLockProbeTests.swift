import Files
import Foundation
import TestSupport
import Testing

@testable import Torture

/// The bug: the planted defect P11, a commit on another thread, was reported as "nobody gave writer.lock back", as any hang may be. Its
/// writer waited for a mutex that it held itself, but the tier did not check that; and the diagnosis of hangs found no map of `lock.mdb`,
/// because Foundation reads only the first few kilobytes of /proc/PID/maps. The fix: `read` to the end, and a tier that checks at each step
/// what its processes wait for.
@Suite struct WriterLockProbeTests {
  private let directory = TemporaryDirectory()
  private var store: String { directory.path("store") }

  /// Makes the parts of a store that the probe reads, and starts a process that has begun a write transaction without `writer.lock`.
  private func writer() throws -> Subprocess {
    try FileManager.default.createDirectory(atPath: "\(store)/gen-1", withIntermediateDirectories: true)
    try Data("gen-1\n".utf8).write(to: URL(fileURLWithPath: "\(store)/current"))
    try Data().write(to: URL(fileURLWithPath: "\(store)/writer.lock"))
    let writer = try Subprocess(TestProcess.executable("TestChild"), ["write-twice", "\(store)/gen-1"])
    #expect(try writer.readLine() == "writing")
    return writer
  }

  @Test func aThreadThatHoldsTheWriteMutexBesideTheHeldLockIsNamed() throws {
    let writer = try writer()
    let probe = WriterLockProbe(store: store, processes: [writer])
    // The command runs on the first thread of its process, whose number is the process ID.
    let expected =
      "thread \(writer.processID) holds LMDB's write mutex in \(store)/gen-1/lock.mdb while writer.lock is held by a process that writes nothing"
    #expect(try probe.violations(holdingFor: 0.01) == [expected])
    #expect(writer.hangDiagnosis == nil)
    #expect(try writer.finish().termination == .exited(0))
    #expect(try probe.violations(holdingFor: 0.01).isEmpty)
  }

  @Test func aThreadThatWaitsForItselfIsNamedWhereTheLockIsNotGivenBack() throws {
    let writer = try writer()
    let lock = try FileLock(path: "\(store)/writer.lock")
    try lock.lock(.exclusive)
    try writer.say("again")
    let expected = "thread \(writer.processID) waits for LMDB's write mutex in \(store)/gen-1/lock.mdb, which it holds itself"
    #expect(try WriterLockProbe(store: store, processes: [writer]).violations(holdingFor: 0.01) == [expected])
  }

  @Test func aThreadThatWaitsForAnotherProcessIsNamedWithItsHolder() throws {
    let first = try writer()
    let second = try Subprocess(TestProcess.executable("TestChild"), ["write-twice", "\(store)/gen-1"])
    let deadline = ContinuousClock.now + .seconds(30)
    while second.hangDiagnosis == nil, .now < deadline { usleep(1000) }
    let expected =
      "thread \(second.processID) waits for LMDB's write mutex in \(store)/gen-1/lock.mdb, which thread \(first.processID) of another process holds"
    #expect(second.hangDiagnosis == expected)
    #expect(try first.finish().termination == .exited(0))
    #expect(try second.readLine() == "writing")
    #expect(second.hangDiagnosis == nil)
  }
}
