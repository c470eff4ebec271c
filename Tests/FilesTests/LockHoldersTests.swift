import Testing

@testable import Files

/// The holders of a lock, parsed from the text of `/proc/locks`.
@Suite struct LockHoldersTests {
  private func holders(_ table: String) -> Set<Int32> { LockHolders.processes(in: table, major: 0xFD, minor: 1, inode: 77) }

  @Test func holdersOfTheFileAreFoundAndNobodyElse() {
    let table = """
      1: FLOCK  ADVISORY  READ 1234 fd:01:77 0 EOF
      1: -> FLOCK  ADVISORY  WRITE 55 fd:01:77 0 EOF
      2: POSIX  ADVISORY  WRITE 9 fd:01:77 0 EOF
      3: FLOCK  ADVISORY  WRITE 10 fd:02:77 0 EOF
      4: FLOCK  ADVISORY  WRITE 11 fd:01:78 0 EOF
      5: FLOCK  ADVISORY  WRITE 0 fd:01:77 0 EOF
      6: FLOCK  ADVISORY  WRITE 4321 fd:01:77 0 EOF
      """
    #expect(holders(table) == [1234, 4321])
    #expect(holders("") == [] && holders("\n\n") == [])
  }

  /// Bug: in Swift a carriage return and the line feed after it are one character, so the next line was not found. Fix: lines are split by
  /// bytes.
  @Test func aCarriageReturnHidesNoLine() {
    #expect(holders("x\r\n9: FLOCK  ADVISORY  WRITE 4242 fd:01:77 0 EOF\n") == [4242])
  }
}
