#if PlantedDefects
  #if canImport(Glibc)
    import Glibc
  #elseif canImport(Darwin)
    import Darwin
  #endif

  /// A defect that the torture harness must find, switched on by the variable `ENGRAM_PLANTED_DEFECT` in builds with the trait
  /// `PlantedDefects`; no other build has a trace of it.
  package enum PlantedDefect: String {
    case rowsAreNotFlushed = "P1"
    case commitComesBeforeRows = "P2"
    case directoriesAreNotFlushed = "P3"
    case rowsAreUsedTwice = "P4"
    case openGenerationsAreRemoved = "P5"
    case acknowledgementComesBeforeCommit = "P6"
    case recordsAreNotFlushed = "P7"
    case failedFlushIsTriedAgain = "P8"
    case checksumsAreNotCompared = "P9"
    case currentIsRenamedTooEarly = "P10"
    case commitChangesThread = "P11"
    case shortWriteIsSuccess = "P12"
    case thrownBodyIsNotUndone = "P13"
    case writerLockIsNotTaken = "P14"
    case inDoubtBatchIsAppliedTwice = "P15"

    private static let chosen: PlantedDefect? = {
      guard let name = unsafe getenv("ENGRAM_PLANTED_DEFECT") else { return nil }
      // SAFETY: getenv returned a NUL-terminated string, copied at once.
      return PlantedDefect(rawValue: unsafe String(cString: name))
    }()

    package var isPlanted: Bool { Self.chosen == self }
  }
#endif
