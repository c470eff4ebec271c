#if os(Linux)
  import Files
  import Foundation
  import LMDB
  import TestSupport
  import Testing

  @testable import Engram

  /// Every byte of every mapped file has a disk block before it is mapped: on a full disk, touching a byte without one raises SIGBUS.
  ///
  /// The bug: see `FullDiskTests` of `MemtoolTests`. Everything that could kill this process runs in a child.
  @Suite(.serialized) struct MappedFileTests {
    private let place = TestStore()

    /// The offset of the first hole of a file; nil if there is none.
    private func hole(_ path: String) throws -> Int? {
      let file = try Files.FileHandle(path: path, access: .read)
      let (hole, status) = (try file.firstHole(), try file.status())
      return hole == status.sizeBytes && status.allocatedBytes >= status.sizeBytes ? nil : hole
    }

    /// Expects that no mapped file of a store has a hole. This process must not have the store open.
    private func expectBacked(_ store: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
      for generation in try Directories.entries(store) where generation.hasPrefix("gen-") {
        for name in ["lock.mdb", "data.mdb", "rows.f32"] {
          #expect(try hole("\(store)/\(generation)/\(name)") == nil, "\(generation)/\(name)", sourceLocation: sourceLocation)
        }
        let size = try #require(try Directories.status("\(store)/\(generation)/lock.mdb")?.sizeBytes)
        #expect(size == LockTable.sizeBytes, sourceLocation: sourceLocation)
      }
    }

    @Test func theSizeOfTheLockTableIsTheOneThatLMDBGivesIt() throws {
      let directory = place.directory.path("environment")
      try Directories.create(directory)
      var options = Environment.Options()
      options.createsDatabases = true
      let environment = try Environment(path: directory, databases: ["a"], options: options)
      #expect(try Directories.status("\(directory)/lock.mdb")?.sizeBytes == LockTable.sizeBytes)
      #expect(environment.close())
    }

    @Test(.timeLimit(.minutes(4))) func everyMappedFileOfEveryCopyIsBacked() async throws {
      let store = try await place.open()
      for user in 0..<4 { try await store.add((0..<200).map { TestStore.draft("u\(user)", $0) }) }
      let backup = place.directory.path("backup")
      try await store.backup(to: URL(fileURLWithPath: backup))
      try await store.compact()
      try await store.add((0..<200).map { TestStore.draft("v", $0) })
      try await store.close()
      let repaired = place.directory.path("repaired")
      try await MemoryStore.repair(place.url, into: URL(fileURLWithPath: repaired))
      for path in [place.path, backup, repaired] { try expectBacked(path) }
    }

    /// Makes a lock table as earlier versions left it: only its first page has blocks.
    private func makeHoles(_ path: String, sizeBytes: Int = LockTable.sizeBytes) throws {
      let file = try Files.FileHandle(path: path, access: .readWrite)
      try file.truncate(to: 4096)
      try file.truncate(to: sizeBytes)
    }

    @Test(.timeLimit(.minutes(4)), arguments: [LockTable.sizeBytes, 0, 4096, 65_536, 81_920], [StoreOptions.Access.readOnly, .readWrite])
    func aLockTableWithHolesOrOfAnotherSizeIsMadeWholeBeforeItIsOpened(sizeBytes: Int, access: StoreOptions.Access) async throws {
      try await place.open().close()
      let table = "\(place.path)/gen-1/lock.mdb"
      try makeHoles(table, sizeBytes: sizeBytes)
      let store = try await place.open(StoreOptions(access: access))
      #expect(try store.count() == 0)
      try await store.close()
      try expectBacked(place.path)
    }

    @Test(.timeLimit(.minutes(4))) func holesOfALockTableInUseAreFilledAndItsReadersStay() async throws {
      try await place.open().close()
      let table = "\(place.path)/gen-1/lock.mdb"
      let child = try ChildProcess(["hold-snapshots", place.path, "40"])
      _ = try await child.readLine()
      // As an earlier version left it: the slots beyond those in use have no blocks.
      let punched = try await ChildProcess.run(executable: "/usr/bin/fallocate", ["-p", "-o", "8192", "-l", "53248", table])
      #expect(punched.termination == .exited(0))
      #expect(try hole(table) != nil)
      let store = try await place.open()
      #expect(try store.status.readers.count { $0.processID == child.processID } >= 40)
      try await store.add(TestStore.draft("u", 1))
      try await store.close()
      #expect(try Directories.status(table)?.allocatedBytes ?? 0 >= LockTable.sizeBytes)
      try await child.finish()
    }

    @Test(.enabled(if: SmallDisk.isPossible, "full disks are mounted by root only"), .timeLimit(.minutes(4)))
    func whoFindsHolesOnAFullDiskIsRefusedAndLives() async throws {
      let disk = try SmallDisk(megabytes: 8)
      let url = URL(fileURLWithPath: disk.path("store"))
      let made = try await ChildProcess.run(["add", url.path, "u", "1"])
      #expect(made.termination == .exited(0), "\(made)")
      try makeHoles("\(url.path)/gen-1/lock.mdb")
      try disk.fill(leavingBlocks: 3)
      for access in ["read-only", "read-write"] {
        let outcome = try await ChildProcess.run(["open", url.path, access])
        #expect(outcome.standardOutput.hasPrefix("failed diskFull: "), "\(outcome)")
      }
      try disk.makeRoom()
      let outcome = try await ChildProcess.run(["open", url.path, "read-only"])
      #expect(outcome.standardOutput.hasPrefix("opened 1"), "\(outcome)")
    }

    @Test(.enabled(if: SmallDisk.isPossible, "full disks are mounted by root only"), .timeLimit(.minutes(4)))
    func hundredsOfSnapshotsOfSeveralProcessesNeedNoRoom() async throws {
      let disk = try SmallDisk(megabytes: 8)
      let made = try await ChildProcess.run(["add", disk.path("store"), "u", "10"])
      #expect(made.termination == .exited(0), "\(made)")
      try disk.fill()
      var children: [ChildProcess] = []
      for _ in 0..<3 {
        let child = try ChildProcess(["hold-snapshots", disk.path("store"), "250"])
        _ = try await child.readLine()
        children.append(child)
      }
      for child in children { #expect(try await child.finish().termination == .exited(0)) }
    }

    /// A copy with holes, as `cp --sparse=always` makes it if a text or an embedding is all zeros.
    @Test(.enabled(if: SmallDisk.isPossible, "full disks are mounted by root only"), .timeLimit(.minutes(4)))
    func aSparseCopyOnAFullTmpfsIsRefusedAndReadWhenThereIsRoom() async throws {
      let disk = try SmallDisk(megabytes: 16)
      var vector = [Float](repeating: 0, count: 4096)
      vector[4095] = 1
      let text = String(repeating: "\0", count: 40_000)
      let store = try await place.open(StoreOptions(dimension: 4096))
      let id = try await store.add(MemoryDraft(userID: "u", text: text, embedding: Embedding(vector))).id
      try await store.close()
      let path = disk.path("store")
      let copied = try await ChildProcess.run(executable: "/bin/cp", ["-r", "--sparse=always", "--preserve=mode", place.path, path])
      #expect(copied.termination == .exited(0), "\(copied)")
      #expect(try hole("\(path)/gen-1/rows.f32") != nil && hole("\(path)/gen-1/data.mdb") != nil)
      try disk.fill(leavingBlocks: 0)
      for access in ["read-only", "read-write"] {
        let outcome = try await ChildProcess.run(["open", path, access])
        #expect(outcome.standardOutput.hasPrefix("failed diskFull: "), "\(outcome)")
      }
      try disk.makeRoom()
      let reader = try await MemoryStore.open(at: URL(fileURLWithPath: path), options: StoreOptions(access: .readOnly))
      try disk.fill()
      #expect(try reader.memory(id, for: "u")?.text == text)
      #expect(try reader.search(SearchQuery(embedding: Embedding(vector), scope: .user("u"), limit: 1)).count == 1)
      try await reader.close()
    }
  }
#endif
