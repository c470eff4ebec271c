/// The defects that `Tests/Torture/Defects` plants in a copy of the sources, and the tiers that must find each.
///
/// A new one is a file `NAME.defect` there, and an entry here.
struct PlantedDefects: Sendable {
  /// Read by the product's processes.
  static let variable = "ENGRAM_PLANTED_DEFECT"

  /// Whether this build has them: `Switch.defect` changes the line in the copy.
  static let areBuiltIn = false

  let name: String
  let summary: String
  let tiers: [String]
  /// The kind of fault that shows it: there are thousands of others.
  var fault: String?

  static let all: [PlantedDefects] = [
    PlantedDefects(name: "P1", summary: "rows are not flushed", tiers: ["torn", "power"]),
    PlantedDefects(name: "P2", summary: "LMDB commits before the rows are written", tiers: ["torn", "kill"]),
    PlantedDefects(name: "P3", summary: "directories are not flushed at creation or switch", tiers: ["torn"]),
    PlantedDefects(name: "P4", summary: "a live bit is set on a row that was used before", tiers: ["history", "crowd"]),
    PlantedDefects(name: "P5", summary: "an old generation is removed under a reader of another process", tiers: ["crowd", "history"]),
    PlantedDefects(name: "P6", summary: "writes are acknowledged before the commit", tiers: ["kill", "crowd"]),
    PlantedDefects(name: "P7", summary: "MDB_NOSYNC", tiers: ["torn", "power"]),
    PlantedDefects(name: "P8", summary: "a failed flush is tried again and acknowledged", tiers: ["faults"], fault: "fsync EIO"),
    PlantedDefects(name: "P9", summary: "checksums of values and rows are not compared", tiers: ["hostile"]),
    PlantedDefects(name: "P10", summary: "'current' is renamed before the new generation is flushed", tiers: ["torn", "kill"]),
    PlantedDefects(name: "P11", summary: "a transaction is committed on another thread", tiers: ["crowd", "history"]),
    PlantedDefects(name: "P12", summary: "a short write is taken for success", tiers: ["faults"], fault: "pwrite64 short write"),
    PlantedDefects(name: "P13", summary: "a body that threw is not undone", tiers: ["crowd"]),
    PlantedDefects(name: "P14", summary: "writes without writer.lock", tiers: ["crowd"]),
    PlantedDefects(
      name: "P15", summary: "a batch is applied twice after an in-doubt commit", tiers: ["faults"],
      fault: "pwrite64 EIO though done, and the next one"),
  ]
}
