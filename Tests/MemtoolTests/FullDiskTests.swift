#if os(Linux)
  import Foundation
  import TestSupport
  import Testing

  /// Each command on a full disk: the error says that the disk is full, and nothing is lost.
  ///
  /// The bug: LMDB extends `lock.mdb` with a hole and writes it through a map. On a full disk the hole got no block, which raises SIGBUS. A
  /// compaction, a forget, a creation, a backup and a repair killed the process, and after a forget so did each opening that continued it.
  /// The cause: the file's blocks were not allocated before it was mapped. The fix: they are.
  @Suite(.enabled(if: SmallDisk.isPossible, "full disks are mounted by root only"), .serialized) struct FullDiskTests {
    private let disk: SmallDisk
    private let executable: String
    private let store: String

    init() throws {
      disk = try SmallDisk(megabytes: 8)
      executable = try TestProcess.executable("memtool")
      store = disk.path("s")
      for arguments in [
        ["create", store, "--dimension", "4"], ["add", store, "one", "--user", "a", "--vector", "[1,0,0,0]"],
        ["add", store, "two", "--user", "b", "--vector", "[1,0,0,0]"],
      ] { try run(arguments, exit: 0) }
    }

    @discardableResult
    private func run(_ arguments: [String], exit: Int32, sourceLocation: SourceLocation = #_sourceLocation) throws -> Subprocess.Outcome {
      // A build that measures coverage would use the last free blocks for its profile.
      let outcome = try Subprocess.run(executable, arguments, environment: ["LLVM_PROFILE_FILE": "/dev/null"])
      #expect(outcome.termination == .exited(exit), "\(arguments): \(outcome)", sourceLocation: sourceLocation)
      return outcome
    }

    private var entries: [String] {
      get throws { try FileManager.default.contentsOfDirectory(atPath: disk.path).sorted() }
    }

    /// The tier `space` of the torture harness tries many more amounts of free space.
    @Test(arguments: [0, 5, 17, 60]) func everyCommandOnAFullDiskFailsByNameAndLeavesNothing(blocks: Int) throws {
      let attempts = [
        ["compact", store], ["forget", store, "--user", "a", "--yes"], ["create", disk.path("s2"), "--dimension", "4"],
        ["backup", store, disk.path("b")], ["repair", store, "--into", disk.path("r")],
        ["reembed", store, "--embedder", "hashing", "--dimension", "4"],
      ]
      for arguments in attempts {
        try disk.fill(leavingBlocks: blocks)
        let outcome = try Subprocess.run(executable, arguments, environment: ["LLVM_PROFILE_FILE": "/dev/null"])
        if outcome.termination == .exited(1) {
          #expect(
            outcome.standardError.contains("No space left on device") || outcome.standardError.contains("free"), "\(arguments): \(outcome)")
          #expect(try entries == ["filler", "s"], "\(arguments) left something")
        } else {
          // With more free space some commands succeed.
          #expect(outcome.termination == .exited(0) && blocks > 1, "\(arguments): \(outcome)")
        }
        for copy in ["s2", "b", "r"] where FileManager.default.fileExists(atPath: disk.path(copy)) {
          try FileManager.default.removeItem(atPath: disk.path(copy))
        }
        let read = try run(["search", store, "--user", "b", "--vector", "[1,0,0,0]"], exit: 0)
        #expect(read.standardOutput.contains("two"))
      }
      try disk.makeRoom()
      try run(["verify", store, "--deep"], exit: 0)
      try run(["compact", store], exit: 0)
      // The next opening removes a generation that was left.
      try run(["add", store, "three", "--user", "b", "--vector", "[1,0,0,0]"], exit: 0)
      #expect(try FileManager.default.contentsOfDirectory(atPath: store).count { $0.hasPrefix("gen-") } == 1)
    }

    @Test func anErasureThatWaitsForRoomKeepsNobodyFromReadingAndWriting() throws {
      try disk.fill()
      try run(["forget", store, "--user", "a", "--yes"], exit: 1)
      for number in 0..<3 {
        // Leaves enough space for the write, but not for a rebuild.
        try disk.fill(leavingBlocks: 60)
        try run(["add", store, "more \(number)", "--user", "b", "--vector", "[1,0,0,0]"], exit: 0)
        try run(["inspect", store], exit: 0)
      }
      try disk.makeRoom()
      try run(["forget", store, "--user", "a", "--yes"], exit: 0)
      let read = try run(["search", store, "--user", "b", "--vector", "[1,0,0,0]", "--json"], exit: 0)
      #expect(read.standardOutput.contains("more 2"))
      try run(["verify", store, "--deep"], exit: 0)
    }
  }
#endif
