import Foundation

/// The defects that `Tests/Torture/Defects` plants in a copy of the sources, and the tiers that must find each.
///
/// A new one is a file `NAME.defect` there, and an entry here.
struct PlantedDefects: Sendable {
  /// The environment variable that names the defect to the product's processes.
  static let variable = "ENGRAM_PLANTED_DEFECT"

  /// Whether this build has them: `Switch.defect` changes the line in the copy.
  static let areBuiltIn = false

  let name: String
  let summary: String
  let tiers: [String]
  /// A regular expression for the violations that it is meant to cause. Others do not count, nor does a process that takes too long.
  let violation: String
  /// The only kind of fault that is tried, because there are thousands of faults and few show the defect; nil: all.
  var fault: String?

  /// Whether a case has found this defect, and not another one.
  func explains(_ text: String) -> Bool { text.range(of: violation, options: .regularExpression) != nil }

  static let all: [PlantedDefects] = [
    PlantedDefects(
      name: "P1", summary: "rows are not flushed", tiers: ["torn", "power"],
      violation: #"rows\.f32: row \d+ of memory .* does not match its checksum|has another row|not found by its own embedding"#),
    PlantedDefects(
      name: "P2", summary: "LMDB commits before the rows are written", tiers: ["torn", "kill"],
      violation: #"rows\.f32: row \d+ of memory .* does not match its checksum|has another row|not found by its own embedding"#),
    PlantedDefects(
      name: "P3", summary: "directories are not flushed at creation or switch", tiers: ["torn"],
      violation: #"the store is gone|the backup, .*, is gone|/gen-\d+(/data\.mdb)? is missing"#),
    PlantedDefects(
      name: "P4", summary: "a live bit is set on a row that was used before", tiers: ["history", "crowd"],
      violation:
        #"row \d+ of rows\.f32 does not match|a held snapshot changed|the row of memory .* is not that of its text|(shows|read) of \S+ memory"#
    ),
    PlantedDefects(
      name: "P5", summary: "an old generation is removed under a reader of another process", tiers: ["crowd", "history"],
      violation: #"was removed under a held snapshot"#),
    PlantedDefects(
      name: "P6", summary: "writes are acknowledged before the commit", tiers: ["kill", "crowd"],
      violation: #"\d+ writes are there, \d+ were acknowledged|that was (added|written) after the recovery is not"#),
    PlantedDefects(
      name: "P7", summary: "MDB_NOSYNC", tiers: ["torn", "power"],
      violation: #"verify --deep: data\.mdb|\d+ writes are there, \d+ were acknowledged"#),
    PlantedDefects(
      name: "P8", summary: "a failed flush is tried again and acknowledged", tiers: ["faults"],
      violation: #"was acknowledged after a flush had failed"#, fault: "fsync EIO"),
    PlantedDefects(
      name: "P9", summary: "checksums of values and rows are not compared", tiers: ["hostile"],
      violation: #"^verified clean, and then: (memory .* has|the context of|the history of|a search)|^the repaired store: (memory|rows)"#),
    PlantedDefects(
      name: "P10", summary: "'current' is renamed before the new generation is flushed", tiers: ["torn", "kill"],
      violation: #"/gen-\d+/data\.mdb is missing|\d+ writes are there, \d+ were acknowledged"#),
    PlantedDefects(
      name: "P11", summary: "a transaction is committed on another thread", tiers: ["crowd"],
      violation: #"waits for LMDB's write mutex in .*/lock\.mdb, which|holds LMDB's write mutex in .*/lock\.mdb while writer\.lock"#),
    PlantedDefects(
      name: "P12", summary: "a short write is taken for success", tiers: ["faults"],
      violation: #"rows\.f32: row \d+ of memory .* does not match its checksum|has another row|not found by its own embedding"#,
      fault: "pwrite64 short write"),
    PlantedDefects(
      name: "P13", summary: "a body that threw is not undone", tiers: ["crowd"],
      violation: #"\d{4,} writes are there|/doomed' must not be there|the total says \d{4,}"#),
    PlantedDefects(
      name: "P14", summary: "writes without writer.lock", tiers: ["crowd"],
      violation: #"while writer\.lock was held by a process that writes nothing"#),
    PlantedDefects(
      name: "P15", summary: "a batch is applied twice after an in-doubt commit", tiers: ["faults"],
      violation: #"the last one failed with the word that nothing was changed|the total says"#,
      fault: "pwrite64 EIO though done, and the next one"),
    PlantedDefects(
      name: "P16", summary: "lock.mdb is mapped before it has its disk blocks", tiers: ["space"],
      violation: #"blocks free on .*: ended with signalled\(7\)"#),
    PlantedDefects(name: "M1", summary: "context history is not kept", tiers: ["crowd"], violation: #"the history of \S+ is .*, expected"#),
    PlantedDefects(
      name: "M2", summary: "changes() drops every fifth change", tiers: ["crowd"], violation: #"changes\(\) told .* instead of"#),
    PlantedDefects(
      name: "M3", summary: "a rebuild does not look for a commit that readers do not know of", tiers: ["kill"],
      violation: #"a snapshot shows \d+ writes of lane \w+, an earlier one showed"#, fault: "commit"),
    PlantedDefects(
      name: "M4", summary: "a sweep does not look for a commit that readers do not know of", tiers: ["kill"],
      violation: #"/gen-\d+/data\.mdb is missing"#,
      fault: "switch"),
    PlantedDefects(
      name: "M5", summary: "nobody looks before a commit or a rebuild whether the store was moved", tiers: ["moved"],
      violation: #"was begun after the move and "#),
    PlantedDefects(
      name: "M6", summary: "an import counts a memory and does not store it", tiers: ["kill", "crowd"],
      violation: #"memories are missing, .*, imported, for one|memories are there, imported in one call"#),
    PlantedDefects(
      name: "M7", summary: "texts get each other's embeddings", tiers: ["crowd", "kill"],
      violation: #", added by text, has another row|is not found by its own text"#),
    PlantedDefects(
      name: "M8", summary: "the words of a memory stay when it goes", tiers: ["crowd", "kill"],
      violation: #"for the word '.*', which none of its texts has, threw|^the word '.*', which no text of '.*' has, finds"#),
    PlantedDefects(
      name: "M9", summary: "a changed memory keeps its former words", tiers: ["crowd", "kill"],
      violation: #"is not found by its word '"#),
    PlantedDefects(
      name: "M10", summary: "a move to another embedder takes the vectors of former texts", tiers: ["reembed"],
      violation: #"has another row"#),
    PlantedDefects(
      name: "M11", summary: "an erasure leaves the vectors that wait for a move to another embedder", tiers: ["reembed"],
      violation: #"^reembed\.work still has"#),
    PlantedDefects(
      name: "M12", summary: "a conditional change is made whatever the version is", tiers: ["crowd", "history"],
      violation: #"was changed as version \d+, which it is not|made its conditional changes"#),
    PlantedDefects(
      name: "M13", summary: "codes that were not flushed are trusted after a power failure", tiers: ["torn", "power"],
      violation: #"codes: row \d+ of memory .* has another code"#),
  ]
}
