#if os(Linux)
  import Files
  import Foundation
  import TestSupport
  import Testing

  @testable import Engram

  /// Full disks, read-only mounts, other users and other pid namespaces. As root the tests make their own mounts, in their own
  /// directories; if mounting is not permitted they use what an ordinary user can do.
  @Suite(.serialized) struct SurroundingsTests {
    private let place = TestStore()
    private var mountPoint: String { place.directory.path("disk") }

    /// Mounts a small file system of its own and unmounts it afterwards.
    ///
    /// - Returns: False if mounting is not permitted.
    private func withDisk(_ megabytes: Int, _ body: (URL) async throws -> Void) async throws -> Bool {
      try Directories.create(mountPoint)
      guard geteuid() == 0, try await mount(["-t", "tmpfs", "-o", "size=\(megabytes)m,mode=0700", "none", mountPoint]) else { return false }
      do {
        try await body(URL(fileURLWithPath: mountPoint + "/store"))
      } catch {
        _ = try await ChildProcess.run(executable: "/bin/umount", ["-l", mountPoint])
        throw error
      }
      _ = try await ChildProcess.run(executable: "/bin/umount", ["-l", mountPoint])
      return true
    }

    private func mount(_ arguments: [String]) async throws -> Bool {
      try await ChildProcess.run(executable: "/bin/mount", arguments).termination == .exited(0)
    }

    private func large(_ number: Int) -> MemoryDraft {
      var draft = TestStore.draft("u", number)
      draft.text = "\(number) " + String(repeating: "x", count: 20_000)
      return draft
    }

    @Test(.timeLimit(.minutes(8))) func aFullDiskLosesNothingAndWritingGoesOnWhenThereIsRoom() async throws {
      let mounted = try await withDisk(24) { url in
        let store = try await MemoryStore.open(at: url, options: StoreOptions(dimension: 8))
        var acknowledged: [(id: MemoryID, number: Int)] = []
        var refusal: StoreError?
        while refusal == nil, acknowledged.count < 5000 {
          do {
            acknowledged.append((try await store.add(large(acknowledged.count)).id, acknowledged.count))
          } catch let error as StoreError {
            refusal = error
          }
        }
        #expect(refusal?.code == .diskFull, "\(refusal.map { "\($0)" } ?? "")")
        #expect(acknowledged.count > 300)
        await expectCode(.diskFull) { try await store.add(large(9999)) }
        #expect(try store.status.poison == nil)
        try check(store, acknowledged)
        _ = try StoreContents(store)
        #expect(try await mount(["-o", "remount,size=48m", mountPoint]))
        #expect(try await store.delete(acknowledged.removeFirst().id, for: "u"))
        for _ in 0..<20 { acknowledged.append((try await store.add(large(acknowledged.count + 1)).id, acknowledged.count + 1)) }
        try check(store, acknowledged)
        try await store.close()
        let again = try await MemoryStore.open(at: url)
        try check(again, acknowledged)
        _ = try StoreContents(again)
        try await again.close()
      }
      if !mounted { try await fillUnderALimit() }
    }

    private func check(_ store: MemoryStore, _ acknowledged: [(id: MemoryID, number: Int)]) throws {
      #expect(try store.count() == acknowledged.count)
      for (id, number) in acknowledged {
        #expect(try store.memory(id, for: "u")?.text.hasPrefix("\(number) ") == true)
        #expect(try store.embedding(of: id, for: "u") != nil)
      }
    }

    /// The same with a limit on the size of files, which needs no rights.
    ///
    /// The bug: LMDB reports a short write of a page, which a nearly full disk causes, as EIO. The store treated that as a failed flush and
    /// stopped writing.
    @Test(.timeLimit(.minutes(8))) func fillUnderALimit() async throws {
      // `ulimit -f` counts blocks of 512 bytes in a POSIX shell.
      let outcome = try await ChildProcess.run(
        executable: "/bin/sh",
        ["-c", "ulimit -f 20000; exec \"$0\" \"$@\"", try TestProcess.executable("EngramTestChild"), "fill", place.path])
      let lines = outcome.standardOutput.split(separator: "\n")
      #expect(lines.last == "full diskFull", "\(outcome.standardError) \(lines.suffix(2))")
      let store = try await place.open()
      #expect(lines.count > 100)
      #expect(try store.count() == lines.count - 1)
      for line in lines.dropLast() {
        let id = try #require(MemoryID(String(line)))
        #expect(try store.embedding(of: id, for: "u") != nil)
      }
      _ = try StoreContents(store)
      #expect(try await store.delete(where: .importance(atLeast: 0), scope: .all) == lines.count - 1)
      try await store.add(TestStore.draft("u", 1))
      try await store.close()
    }

    /// The bug: if the process could not write its note into `writer.lock`, it kept the lock until it ended.
    @Test(.timeLimit(.minutes(8))) func aWriteThatFindsTheDiskFullFromTheStartGivesTheLockBack() async throws {
      _ = try await withDisk(24) { url in
        let store = try await MemoryStore.open(at: url, options: StoreOptions(dimension: 8))
        let filler = try Files.FileHandle(path: mountPoint + "/filler", access: .createNew)
        var size = 0
        for step in [1 << 20, 4096] {
          while (try? filler.writeZeros(from: size, to: size + step)) != nil { size += step }
        }
        await expectCode(.diskFull) { try await store.add(TestStore.draft("u", 1)) }
        try filler.truncate(to: 0)
        let lock = try FileLock(existing: url.path + "/writer.lock")
        #expect(try lock.tryLock(.exclusive), "the writer lock is still held")
        try lock.unlock()
        try await store.add(TestStore.draft("u", 2))
        #expect(try store.count() == 1)
        try await store.close()
      }
    }

    @Test(.timeLimit(.minutes(8))) func aReadOnlyMountIsReadAndRefusesWritersByName() async throws {
      let mounted = try await withDisk(24) { url in
        let made = try await ChildProcess.run(["add", url.path, "u", "1"])
        #expect(made.termination == .exited(0), "\(made)")
        #expect(try await mount(["-o", "remount,ro", mountPoint]))
        for access in [StoreOptions.Access.readOnly, .immutable] {
          let reader = try await MemoryStore.open(at: url, options: StoreOptions(access: access))
          #expect(try reader.count() == 1)
          await expectCode(.readOnly) { try await reader.add(TestStore.draft("u", 2)) }
          try await reader.close()
        }
        await expectCode(.readOnlyFileSystem) { _ = try await MemoryStore.open(at: url) }
        await expectCode(.readOnlyFileSystem) { _ = try await MemoryStore.open(at: URL(fileURLWithPath: mountPoint + "/new")) }
        #expect(try await mount(["-o", "remount,rw", mountPoint]))
        let again = try await MemoryStore.open(at: url)
        #expect(try again.count() == 1)
        try await again.close()
      }
      if !mounted { try await anotherUserIsRefused() }
    }

    /// Root opens the store as another user; any other user removes its own permission first.
    @Test(.timeLimit(.minutes(8))) func anotherUserIsRefused() async throws {
      let store = try await place.open()
      try await store.close()
      let child = try TestProcess.executable("EngramTestChild")
      let outcome: Subprocess.Outcome
      if geteuid() == 0 {
        outcome = try await ChildProcess.run(
          executable: "/usr/bin/setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", child, "open", place.path, "read-write"])
      } else {
        try setPermissions(place.path, 0)
        outcome = try await ChildProcess.run(["open", place.path, "read-write"])
        try setPermissions(place.path, 0o700)
      }
      #expect(outcome.standardOutput.hasPrefix("failed permissionDenied: "), "\(outcome)")
      #expect(outcome.termination == .exited(1))
    }

    @Test(.timeLimit(.minutes(8))) func aProcessOfAnotherPidNamespaceIsRefusedInBothDirections() async throws {
      let child = try TestProcess.executable("EngramTestChild")
      let isolated =
        (geteuid() == 0 ? [] : ["--user", "--map-root-user"]) + ["--pid", "--fork", "--kill-child", child, "open", place.path]
      let own = try #require(MachineIdentity.processNamespace())
      let store = try await place.open()
      try await store.add(TestStore.draft("u", 1))
      for access in ["read-only", "read-write"] {
        let outcome = try await ChildProcess.run(executable: "/usr/bin/unshare", isolated + [access])
        #expect(outcome.standardOutput.hasPrefix("failed foreignNamespace: "), "\(outcome)")
        #expect(outcome.standardOutput.contains(own), "\(outcome)")
      }
      #expect(try store.count() == 1)
      try await store.close()
      // If no other process has the store open, the namespace may open it, and then this process is refused.
      let other = try ChildProcess(executable: "/usr/bin/unshare", isolated + ["read-write"])
      #expect(try await other.readLine() == "opened 1")
      await expectCode(.foreignNamespace) { _ = try await place.open() }
      try await other.finish()
      let again = try await place.open()
      #expect(try again.count() == 1)
      try await again.close()
    }
  }
#endif
