import Formats
import Foundation
import Logging
import Synchronization
import Testing
import TestSupport

@testable import Engram

/// A wall clock and a boot clock that a test moves.
final class TestClock: Sendable {
  private struct State {
    var offset: Int64 = 0
    var boot: Int64 = 100_000
    var bootID: [UInt8] = [1]
  }

  static let hour: Int64 = 3_600_000
  static let year: Int64 = 8_766 * hour
  private let state = Mutex(State())
  private let bootHoursPerLook: Int64

  /// - Parameter bootHoursPerLook: How many hours the boot clock advances at each reading, so that no test waits for an hour.
  init(bootHoursPerLook: Int64 = 0) { self.bootHoursPerLook = bootHoursPerLook }

  var clock: StoreClock {
    var clock = StoreClock()
    clock.wall = { self.state.withLock { WallClock.now() + $0.offset } }
    clock.boot = {
      self.state.withLock { state in
        state.boot += self.bootHoursPerLook * Self.hour
        return BootInstant(boot: state.bootID, milliseconds: state.boot)
      }
    }
    return clock
  }

  /// Advances both clocks.
  func advance(_ milliseconds: Int64) {
    state.withLock {
      $0.boot += milliseconds
      $0.offset += milliseconds
    }
  }

  /// Sets the wall clock, as an administrator would.
  func setWall(ahead milliseconds: Int64) { state.withLock { $0.offset = milliseconds } }

  func startAnew() {
    state.withLock {
      $0.bootID = [$0.bootID[0] + 1]
      $0.boot = 1_000
    }
  }
}

/// Bug: one command under a clock that is ten years ahead permanently deleted memories that expire within those years, and `lastCommit`
/// stayed in the future. Cause: one look at the wall clock decided, and the last commit's time was never corrected. Fix: two commits during
/// one boot, an hour apart by the boot clock, which nobody sets, must both find a memory expired.
@Suite(.serialized) struct ClockTests {
  private let scratch = ScratchStore()
  private let times = TestClock()

  private func open() async throws -> MemoryStore { try await scratch.open(dimension: 2, clock: times.clock) }

  private func sweep(_ store: MemoryStore) async throws -> Bool { try await store.write { try $0.sweepExpired(limit: 1024) } }

  private func state(_ store: MemoryStore) throws -> StateRecord { try store.readOnce { try $0.state() } }

  private func commit(_ store: MemoryStore) async throws { try await store.put(UserContext(userID: "other")) }

  @Test func aClockThatIsAheadForOneCommandDeletesNothing() async throws {
    let soon = Date(timeIntervalSinceNow: 3e7)
    var store = try await open()
    let id = try await store.add(MemoryDraft(userID: "u", text: "t", embedding: [1, 0], expiresAt: soon, dedupeKey: "k")).id
    #expect(try state(store).expiryMark == nil)
    try await store.close()
    times.setWall(ahead: 10 * TestClock.year)
    store = try await open()
    try await commit(store)
    #expect(try await !sweep(store))
    let ahead = try #require(try state(store).expiryMark)
    #expect(ahead.wall > WallClock.now() + 9 * TestClock.year)
    #expect(try #require(try store.status.lastCommit) > Date(timeIntervalSinceNow: 2e8))
    try await store.close()
    // The wall clock is right again, and hours pass.
    times.setWall(ahead: 0)
    times.advance(TestClock.hour)
    store = try await open()
    for _ in 0..<3 {
      try await commit(store)
      #expect(try await !sweep(store))
      times.advance(2 * TestClock.hour)
    }
    #expect(abs(try #require(try store.status.lastCommit).timeIntervalSinceNow) < 86_400)
    #expect(try store.memory(id, for: "u")?.dedupeKey == "k" && store.status.rowsLive == 1)
    // After a second jump the memory must be found expired twice again, although the first jump had marked it.
    times.setWall(ahead: 10 * TestClock.year)
    #expect(try await sweep(store))
    #expect(try await !sweep(store))
    #expect(try state(store).rowsLive == 1)
    #expect(try await store.verify().isIntact)
    try await store.close()
  }

  @Test func whatTwoCommitsAnHourApartFindExpiredIsRemoved() async throws {
    let store = try await open()
    let ids = try await store.add(
      (0..<3).map {
        MemoryDraft(userID: "u", text: "\($0)", embedding: [1, 0], expiresAt: Date(timeIntervalSinceNow: $0 == 0 ? -1 : 5_400))
      }
    ).map(\.id)
    #expect(try state(store).expiryMark != nil && store.memory(ids[0], for: "u") == nil && store.memory(ids[1], for: "u") != nil)
    times.advance(TestClock.hour - 1)
    #expect(try await !sweep(store))
    times.startAnew()
    #expect(try await sweep(store), "another boot: what was found before counts no more")
    times.advance(TestClock.hour - 1)
    #expect(try await !sweep(store) && state(store).rowsLive == 3)
    times.advance(1)
    // The other two have expired by now, but were not found expired an hour ago.
    while try await sweep(store) {}
    #expect(try state(store).rowsLive == 2)
    times.advance(TestClock.hour)
    while try await sweep(store) {}
    #expect(try state(store).rowsLive == 0 && state(store).users == 0)
    #expect(try await store.verify().isIntact)
    try await store.close()
  }

  @Test func aRebuildKeepsWhatWasFound() async throws {
    let store = try await open()
    try await store.add(MemoryDraft(userID: "u", text: "t", embedding: [1, 0], expiresAt: Date(timeIntervalSinceNow: -1)))
    let before = try state(store)
    try await store.compact()
    #expect(try state(store).expiryMark == before.expiryMark && state(store).lastBoot == before.lastBoot && before.expiryMark != nil)
    try await store.close()
  }

  @Test func aJumpIsReported() async throws {
    let messages = Recorder<String>()
    var options = StoreOptions(logger: Logger(label: "test", factory: { _ in RecordingHandler(messages: messages) }))
    options.clock = times.clock
    let store = try await MemoryStore.open(at: scratch.url, options: options)
    try await commit(store)
    times.advance(100 * TestClock.hour)
    times.setWall(ahead: 100 * TestClock.hour + TestClock.hour - 60_000)
    #expect(try store.status.clockJump == nil)
    times.setWall(ahead: 10 * TestClock.year)
    let jump = try #require(try store.status.clockJump)
    #expect(abs(jump.components.seconds - (10 * TestClock.year - 100 * TestClock.hour) / 1000) < 3_600)
    #expect(messages.values.isEmpty)
    try await commit(store)
    #expect(messages.values.count == 1 && messages.values[0].contains("jumped"))
    #expect(try store.status.clockJump == nil)
    times.setWall(ahead: 0)
    #expect(try #require(try store.status.clockJump) < .seconds(-3_600))
    times.startAnew()
    #expect(try store.status.clockJump == nil)
    try await store.close()
  }

  private struct RecordingHandler: LogHandler {
    let messages: Recorder<String>
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.warning

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { messages.append("\(event.message)") }
  }

  @Test func theClocksStandInTheStateRecord() throws {
    var state = StateRecord()
    func stored(_ state: StateRecord) throws -> StateRecord {
      var writer = CBORWriter()
      state.encode(into: &writer)
      // The encoding is deterministic: decoding it generically and encoding it again gives the same bytes.
      var again = CBORWriter()
      try again.value(try CBORReader.value(of: writer.bytes))
      #expect(again.bytes == writer.bytes)
      return try withRawSpan(writer.bytes) { try StateRecord($0) }
    }
    #expect(try stored(state) == state)
    let boot = BootInstant(boot: [1, 2], milliseconds: 77)
    state.lastBoot = boot
    #expect(try stored(state) == state)
    state.expiryMark = StoreInstant(wall: -5, boot: BootInstant(boot: [1, 2], milliseconds: 9))
    #expect(try stored(state) == state)
    state.lastBoot = BootInstant(boot: [3], milliseconds: 1)
    #expect(try stored(state).expiryMark == nil)
    // A record may hold any number without an overflow in later calculations.
    for number in [Int64.min, -1, 0, .max] {
      state.lastCommit = number
      state.lastBoot = BootInstant(boot: [1], milliseconds: number)
      state.expiryMark = StoreInstant(wall: number, boot: BootInstant(boot: [1], milliseconds: number))
      for now in [Int64.min, 0, .max] {
        let instant = StoreInstant(wall: now, boot: BootInstant(boot: [1], milliseconds: .max))
        _ = state.clockJump(at: instant)
        _ = state.expiryStep(first: number, at: instant)
      }
    }
  }
}
