import Files

/// The two clocks of a store. The wall clock decides what has expired. The boot clock, which cannot be set, shows whether the wall clock
/// jumped.
struct StoreClock: Sendable {
  /// Milliseconds since 1970.
  var wall: @Sendable () -> Int64 = { WallClock.now() }
  var boot: @Sendable () -> BootInstant = { BootInstant(boot: Self.systemBoot, milliseconds: max(0, MachineIdentity.bootMilliseconds())) }

  private static let systemBoot = MachineIdentity.bootID().map { Array($0.utf8) } ?? []

  var now: StoreInstant { StoreInstant(wall: wall(), boot: boot()) }

  /// Milliseconds: how far the clocks may differ, and how long memories must be found expired before they are removed.
  static let tolerance: Int64 = 3_600_000
}

/// An instant of one boot of the machine.
struct BootInstant: Sendable, Equatable {
  /// The name of the boot; empty if the system does not report one.
  let boot: [UInt8]
  /// Time since the machine was started, sleep included.
  let milliseconds: Int64

  /// Milliseconds from an earlier instant of the same boot to this one; nil if `earlier` is of another boot or is later than this one.
  func elapsed(since earlier: BootInstant) -> Int64? {
    guard boot == earlier.boot, milliseconds >= earlier.milliseconds, earlier.milliseconds >= 0 else { return nil }
    return milliseconds - earlier.milliseconds
  }
}

/// The time of both clocks at one instant.
struct StoreInstant: Sendable, Equatable {
  let wall: Int64
  let boot: BootInstant
}
