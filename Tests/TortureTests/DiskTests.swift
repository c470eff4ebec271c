import Foundation
import TestSupport
import Testing

@testable import Torture

/// The simulated disk of the tier `torn`: what it keeps and what it may lose, on recordings written by hand.
@Suite struct DiskTests {
  @Test func flushedFileWithAFlushedNameIsInEveryImage() throws {
    var script = Script()
    script.make("a")
    script.write("a", sector(7, count: 3))
    script.flush("a")
    script.flushNames()
    #expect(try script.images().allSatisfy { $0 == ["a": sector(7, count: 3)] })
  }

  @Test func flushOfAFileKeepsNoName() throws {
    var script = Script()
    script.make("a")
    script.write("a", sector(7))
    script.flush("a")
    let images = try script.images()
    #expect(Set(images.map(\.count)) == [0, 1])
    #expect(images.allSatisfy { $0.isEmpty || $0 == ["a": sector(7)] })
  }

  @Test func flushOfADirectoryKeepsNoBytes() throws {
    var script = Script()
    script.make("a")
    script.write("a", sector(7))
    script.flushNames()
    let images = try script.images()
    #expect(images.allSatisfy { $0["a"] != nil })
    #expect(images.contains { $0["a"] == [] })
    #expect(images.contains { $0["a"] == sector(7) })
    // The size may be kept without the bytes: they are zeros, or anything.
    #expect(images.contains { $0["a"] == sector(0) })
    #expect(images.contains { $0["a"]?.count == 512 && $0["a"] != sector(0) && $0["a"] != sector(7) })
  }

  @Test func unflushedSectorsAreThereInAnyCombination() throws {
    var script = Script()
    script.make("a")
    script.write("a", sector(1, count: 2))
    script.flush("a")
    script.flushNames()
    script.write("a", sector(2, count: 2))
    let images = Set(try script.images().compactMap { $0["a"] })
    let expected: Set<[UInt8]> = [sector(1, count: 2), sector(1) + sector(2), sector(2) + sector(1), sector(2, count: 2)]
    #expect(images == expected)
  }

  @Test func laterWritesReachTheDiskBeforeEarlierOnes() throws {
    var script = Script()
    script.make("a")
    script.write("a", sector(1, count: 2))
    script.flush("a")
    script.flushNames()
    script.write("a", sector(2))
    script.write("a", at: 512, sector(3))
    script.write("a", sector(4))
    let images = Set(try script.images().compactMap { $0["a"] })
    // A sector holds any contents that the file had there at some time.
    var expected: Set<[UInt8]> = []
    for first: UInt8 in [1, 2, 4] {
      for second: UInt8 in [1, 3] { expected.insert(sector(first) + sector(second)) }
    }
    #expect(images == expected)
  }

  @Test func flushCoversOnlyWhatWasDoneWhenItBegan() throws {
    var script = Script()
    script.make("a")
    script.flushNames()
    script.write("a", sector(1))
    script.add("B\t5")
    script.write("a", at: 512, sector(2))
    script.add("F\t5\t\(Script.scope)/a")
    let images = try script.images().compactMap { $0["a"] }
    #expect(images.count == 400)
    #expect(images.allSatisfy { $0.starts(with: sector(1)) })
    #expect(images.contains { $0 == sector(1) })
    #expect(images.contains { $0 == sector(1) + sector(2) })
  }

  @Test func aFlushThatDidNotEndKeepsNothing() throws {
    var script = Script()
    script.make("a")
    script.flushNames()
    script.write("a", sector(1))
    script.flush("a")
    #expect(try script.images(isNextUnderWay: true, before: 1).contains { $0["a"] == [] })
  }

  @Test func aSynchronousWriteIsDurableWithItsSectorAndNoOther() throws {
    var script = Script()
    script.make("a")
    script.write("a", sector(1, count: 3))
    script.flush("a")
    script.flushNames()
    script.write("a", sector(2, count: 3))
    script.write("a", at: 600, [9, 9], isSynchronous: true)
    let images = try script.images().compactMap { $0["a"] }
    var middle = sector(2)
    middle.replaceSubrange(88..<90, with: [9, 9])
    var expected: Set<[UInt8]> = []
    for first: UInt8 in [1, 2] {
      for last: UInt8 in [1, 2] { expected.insert(sector(first) + middle + sector(last)) }
    }
    #expect(Set(images) == expected)
    #expect(try script.images(isNextUnderWay: true, before: 1).contains { $0["a"] == sector(1, count: 3) })
  }

  @Test func aRenameIsThereWholeOrNotAtAll() throws {
    var script = Script()
    for (name, byte) in [("current", UInt8(1)), ("current.tmp", 2)] {
      script.make(name)
      script.write(name, sector(byte))
      script.flush(name)
    }
    script.flushNames()
    script.add("R\t\(Script.scope)/current.tmp\t\(Script.scope)/current")
    let images = Set(try script.images())
    let expected: Set<[String: [UInt8]]> = [["current": sector(1), "current.tmp": sector(2)], ["current": sector(2)]]
    #expect(images == expected)
  }

  @Test func namesBelowANewDirectoryNeedBothFlushes() throws {
    var script = Script()
    script.add("M\t\(Script.scope)/d")
    script.make("d/a")
    script.flush("d/a")
    script.flush("d")
    #expect(Set(try script.images()) == [[:], ["d/a": []]])
    script.add("R\t\(Script.scope)/d\t\(Script.scope)/e")
    script.flushNames()
    #expect(Set(try script.images()) == [["e/a": []]])
  }

  @Test func aShorterSizeMayBeLostAndCutOffBytesStayAway() throws {
    var script = Script()
    script.make("a")
    script.write("a", sector(1, count: 2))
    script.flush("a")
    script.flushNames()
    script.add("T\t512\t\(Script.scope)/a")
    let images = Set(try script.images().compactMap { $0["a"] })
    #expect(images.contains(sector(1)) && images.contains(sector(1, count: 2)))
    script.add("T\t1024\t\(Script.scope)/a")
    script.flush("a")
    #expect(Set(try script.images()) == [["a": sector(1) + sector(0)]])
  }

  @Test func damagedRecordingsAreRefused() throws {
    for line in ["X\t1", "W\t0\t4\t0\t\(Script.scope)/a", "F\t1\t\(Script.scope)/never", "C\t/elsewhere", "P\t5"] {
      var script = Script()
      script.add(line)
      #expect(throws: RecordingError.self) { try script.recording() }
    }
  }
}
