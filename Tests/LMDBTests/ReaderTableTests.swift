import LMDB
import Testing

@Suite struct ReaderTableTests {
  static let header = "    pid     thread     txnid\n"

  @Test func slotsAreReadAsLMDBPrintsThem() {
    let table = ReaderTable(text: Self.header + "      4711 7f3a2c000b40 12\n         1 0 -\n2147483647 7FFFAB 9223372036854775807\n")
    #expect(table.slots.map(\.processID) == [4711, 1, .max])
    #expect(table.slots.map(\.thread) == ["7f3a2c000b40", "0", "7FFFAB"])
    #expect(table.slots.map(\.transactionID) == [12, nil, .max])
    #expect(table.unreadableLines == [] && !table.isUnlocked)
  }

  @Test func anEmptyTableHasNoSlots() {
    let table = ReaderTable(text: "(no active readers)\n")
    #expect(table.slots == [] && table.unreadableLines == [] && !table.isUnlocked)
  }

  @Test func aTableWithoutLocksSaysSo() {
    let table = ReaderTable(text: "(no reader locks)\n")
    #expect(table.isUnlocked && table.slots == [])
  }

  @Test(arguments: [
    "garbage", "12", "12 7f", "12 7f 3 4", "pid thread", "12 7g 3", "12 -7f 3", "0 7f 3", "-5 7f 3", "2147483648 7f 3", "x 7f 3",
    "12 7f x", "12 7f --", "12 7f 9223372036854775808", "12\t7f\t3", "12 7f 3\r", "12 7f 3\0", "1.5 7f 3", "12 0x7f 3", "12 ７ｆ 3",
    "+12 7f 3", "12 7f +3", "12 7f -3", "12 7f 0x3", "(no readers)", "(no active readers) 12 7f 3", "thread pid txnid",
  ])
  func aLineThatLMDBDoesNotPrintIsUnreadable(line: String) {
    let table = ReaderTable(text: Self.header + "      4711 7f 12\n" + line + "\n      4712 7f 13\n")
    #expect(table.unreadableLines == [line])
    // The others are still named in the message.
    #expect(table.slots.map(\.processID) == [4711, 4712])
    #expect(!table.isUnlocked)
  }

  @Test func aLineCutOffAnywhereIsNotTakenForAnotherSnapshotsSlot() {
    let line = "      4711 7f3a2c000b40 -"
    for end in line.indices.dropFirst() {
      let table = ReaderTable(text: Self.header + String(line[..<end]))
      #expect(table.slots == [])
    }
  }
}
