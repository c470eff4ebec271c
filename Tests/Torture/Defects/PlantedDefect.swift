#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A defect that the torture harness must find, switched on by the variable `ENGRAM_PLANTED_DEFECT`. Exists only in the copy of the sources
/// that `Tools/torture` builds.
package enum PlantedDefect {
  private static let chosen: String? = {
    guard let name = unsafe getenv("ENGRAM_PLANTED_DEFECT") else { return nil }
    // SAFETY: getenv returned a NUL-terminated string, copied at once.
    return unsafe String(cString: name)
  }()

  // SAFETY: none, on purpose. The defect R1 increments it on several threads without a lock.
  nonisolated(unsafe) package static var unguarded = 0

  package static func isPlanted(_ name: String) -> Bool {
    guard let chosen else { return false }
    return chosen == name
  }
}
