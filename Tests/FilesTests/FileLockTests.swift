import Files
import TestSupport
import Testing

@Suite struct FileLockTests {
  let directory = TemporaryDirectory()
  var path: String { directory.path("lock") }

  @Test func twoLocksOfOneProcessExcludeEachOther() throws {
    let first = try FileLock(path: path)
    let second = try FileLock(path: path)
    #expect(try first.tryLock(.exclusive))
    #expect(try !second.tryLock(.exclusive))
    #expect(try !second.tryLock(.shared))
    try first.unlock()
    #expect(try second.tryLock(.exclusive))
    #expect(try !first.tryLock(.shared))
  }

  @Test func sharedLocksKeepOutOnlyAnExclusiveOne() throws {
    let first = try FileLock(path: path)
    let second = try FileLock(path: path)
    let third = try FileLock(path: path)
    #expect(try first.tryLock(.shared))
    #expect(try second.tryLock(.shared))
    #expect(try !third.tryLock(.exclusive))
    try first.unlock()
    #expect(try !third.tryLock(.exclusive))
    try second.unlock()
    #expect(try third.tryLock(.exclusive))
  }

  @Test(.timeLimit(.minutes(5))) func aWaiterGetsTheLockWhenItsHolderGoes() throws {
    let waiter = try FileLock(path: path)
    do {
      let holder = try FileLock(path: path)
      try holder.lock(.exclusive)
      #expect(try !waiter.tryLock(.exclusive))
    }
    // `tryLock` could fail: a process that another test starts has a copy of the descriptor until its exec.
    try waiter.lock(.exclusive)
    let other = try FileLock(path: path)
    #expect(try !other.tryLock(.shared))
  }

  @Test(.timeLimit(.minutes(5))) func aLockThatIsNotGivenUpInTimeIsAnErrorThatNamesTheHolder() throws {
    let child = try Subprocess(TestProcess.executable("TestChild"), ["hold-lock", path])
    #expect(try child.readLine() == "locked")
    let lock = try FileLock(path: path)
    let start = ContinuousClock.now
    let error = #expect(throws: FileError.self) { try lock.lock(.exclusive, atMost: .milliseconds(100)) }
    #expect(error?.isTimeout == true && error?.holders == [child.processID])
    #expect(ContinuousClock.now - start >= .milliseconds(100))
    let other = #expect(throws: FileError.self) { try lock.lock(.shared, atMost: .milliseconds(10)) {} }
    #expect(other?.isTimeout == true)
    // The failed attempts leave nothing behind: the lock works as before.
    #expect(try child.finish().termination == .exited(0))
    try lock.lock(.exclusive, atMost: .seconds(20))
  }

  @Test(.timeLimit(.minutes(5))) func manyThreadsUnderOneLockLoseNoUpdate() async throws {
    let path = path
    let counter = try FileHandle(path: directory.path("counter"), access: .createNew)
    try counter.write([0, 0], at: 0)
    let counterPath = counter.path
    try await withThrowingTaskGroup { group in
      for _ in 0..<4 {
        group.addTask {
          try onOwnThread {
            let lock = try FileLock(path: path)
            let counter = try FileHandle(path: counterPath, access: .readWrite)
            for _ in 0..<100 {
              try lock.lock(.exclusive)
              let bytes = try counter.read(count: 2, at: 0)
              let value = Int(bytes[0]) + Int(bytes[1]) * 256 + 1
              try counter.write([UInt8(value % 256), UInt8(value / 256)], at: 0)
              try lock.unlock()
            }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try counter.read(count: 2, at: 0) == [UInt8(400 % 256), UInt8(400 / 256)])
  }

  @Test func aLockOfAnotherProcessExcludesUntilItIsKilled() throws {
    let child = try Subprocess(TestProcess.executable("TestChild"), ["hold-lock", path])
    #expect(try child.readLine() == "locked")
    let lock = try FileLock(path: path)
    #expect(try !lock.tryLock(.exclusive))
    #expect(try !lock.tryLock(.shared))
    #expect(lock.readNote() == "pid \(child.processID)")
    child.kill()
    #expect(try child.finish().termination == .signalled(9))
    #expect(try lock.tryLock(.exclusive))
  }

  @Test func aNoteReplacesTheOneBeforeIt() throws {
    let writer = try FileLock(path: path)
    let reader = try FileLock(existing: path)
    #expect(reader.readNote() == "")
    try writer.lock(.exclusive)
    try writer.writeNote("a rather long note")
    #expect(reader.readNote() == "a rather long note")
    try writer.writeNote("short")
    #expect(reader.readNote() == "short")
    try writer.writeNote("")
    #expect(reader.readNote() == "")
  }

  @Test func anExistingLockMustExistAndIsNotWrittenTo() throws {
    let error = #expect(throws: FileError.self) { _ = try FileLock(existing: path) }
    #expect(error?.isMissing == true)
    let maker = try FileLock(path: path)
    let reader = try FileLock(existing: path)
    #expect(throws: FileError.self) { try reader.writeNote("no") }
    #expect(try reader.tryLock(.shared))
    #expect(try !maker.tryLock(.exclusive))
  }
}
