import Files
import Foundation
import TestSupport
import Testing

@testable import Engram

/// A store that other users can read, change or replace is refused by name, and left as it was.
@Suite(.serialized) struct StoreTrustTests {
  private let place = TestStore()

  /// All directories and files of a store.
  private static let directories = ["", "/gen-1"]
  private static let files = [
    "/current", "/open.lock", "/alive.lock", "/writer.lock", "/rebuild.lock", "/gen-1/data.mdb", "/gen-1/lock.mdb", "/gen-1/rows.f32",
  ]

  private func make() async throws {
    let store = try await place.open()
    try await store.add((0..<3).map { TestStore.draft("u", $0) })
    try await store.close()
  }

  /// Expects that opening, verifying and repairing are refused with `code`, and that each message contains each of `names`.
  private func expectRefused(
    _ code: StoreError.Code, naming names: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let destination = URL(fileURLWithPath: place.directory.path("repaired"))
    let attempts: [() async throws -> Void] = [
      { _ = try await place.open() },
      { _ = try await place.open(StoreOptions(access: .readOnly)) },
      { _ = try await MemoryStore.verify(at: place.url, deep: true) { _ in } },
      { _ = try await MemoryStore.repair(place.url, into: destination) },
    ]
    for attempt in attempts {
      let error = await #expect(throws: StoreError.self, sourceLocation: sourceLocation) { try await attempt() }
      let text = error.map { "\($0)" } ?? ""
      #expect(error?.code == code, "\(text)", sourceLocation: sourceLocation)
      for name in names { #expect(text.contains(name), "\(text)", sourceLocation: sourceLocation) }
    }
    #expect(try Directories.status(destination.path) == nil, sourceLocation: sourceLocation)
  }

  private func expectSound(sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let store = try await place.open()
    #expect(try store.count() == 3, sourceLocation: sourceLocation)
    #expect(try await store.verify().problems == [], sourceLocation: sourceLocation)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(6))) func looseBitsOfAnyEntryAreRefusedWithTheCommandThatMendsThem() async throws {
    try await make()
    var number = 0
    for (entries, modes) in [(Self.directories, [0o750, 0o701, 0o722] as [UInt32]), (Self.files, [0o640, 0o602, 0o604])] {
      for entry in entries {
        let mode = modes[number % modes.count]
        number += 1
        try setPermissions(place.path + entry, mode)
        let command = "chmod -R go= \(place.path)"
        try await expectRefused(.loosePermissions, naming: [place.path + entry, "0" + String(mode, radix: 8), command])
        #expect(try Directories.status(place.path + entry)?.permissions == mode)
        #expect(try await ChildProcess.run(executable: "/bin/sh", ["-c", command]).termination == .exited(0))
        try await expectSound()
      }
    }
  }

  /// The bug: the error advised root to `chown` the store, which takes it from its owner. Now it says how to run as the owner.
  ///
  /// If root runs the test, it gives each entry to another user in turn. Otherwise the test uses the root directory, which belongs to root,
  /// as a store.
  @Test(.timeLimit(.minutes(6))) func whatBelongsToAnotherUserIsRefused() async throws {
    guard geteuid() == 0 else {
      let error = #expect(throws: StoreError.self) { try StoreTrust.check(StorePaths(path: "/")) }
      #expect(error?.code == .foreignOwner && error?.message.contains("user 0") == true)
      return
    }
    try await make()
    for entry in Self.directories + Self.files {
      try FileManager.default.setAttributes([.ownerAccountID: 65534], ofItemAtPath: place.path + entry)
      try await expectRefused(.foreignOwner, naming: [place.path + entry, "user 65534", "user 0", "sudo -u '#65534' COMMAND"])
      try FileManager.default.setAttributes([.ownerAccountID: 0], ofItemAtPath: place.path + entry)
      try await expectSound()
    }
  }

  /// The bug: `rows.f32`, the locks and `current` refused a link in their own place, but LMDB follows one, and so did every path through a
  /// link in the place of `gen-1`.
  @Test(.timeLimit(.minutes(6))) func aLinkInThePlaceOfAnEntryIsRefused() async throws {
    try await make()
    for entry in Self.files + ["/gen-1"] {
      let (path, elsewhere) = (place.path + entry, place.directory.path("elsewhere"))
      try FileManager.default.moveItem(atPath: path, toPath: elsewhere)
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: elsewhere)
      try await expectRefused(.unexpectedFile, naming: [path, "a symbolic link"])
      try FileManager.default.removeItem(atPath: path)
      try FileManager.default.moveItem(atPath: elsewhere, toPath: path)
      try await expectSound()
    }
    // The path to the store may contain links: the user chooses it.
    let link = place.directory.path("link")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: place.path)
    let store = try await MemoryStore.open(at: URL(fileURLWithPath: link))
    #expect(try store.count() == 3)
    try await store.close()
  }

  /// The bug: the registry and the locks treated two directories that share a data file, as `cp -al` makes them, as two stores. A
  /// compaction of one named a generation that the other did not have.
  @Test(.timeLimit(.minutes(6))) func aFileWithASecondNameIsRefused() async throws {
    try await make()
    for entry in Self.files {
      let other = place.directory.path("other name")
      #expect(unsafe link(place.path + entry, other) == 0)
      try await expectRefused(.unexpectedFile, naming: [place.path + entry, "2 names"])
      try Directories.removeFile(other)
      try await expectSound()
    }
  }

  /// The bug: opening a pipe waited for a writer without a limit.
  @Test(.timeLimit(.minutes(6))) func aPipeOrADirectoryInThePlaceOfAFileIsRefusedAtOnce() async throws {
    try await make()
    for entry in Self.files + ["/gen-1"] {
      let (path, elsewhere) = (place.path + entry, place.directory.path("elsewhere"))
      try FileManager.default.moveItem(atPath: path, toPath: elsewhere)
      #expect(unsafe mkfifo(path, 0o600) == 0)
      try await expectRefused(.unexpectedFile, naming: [path])
      try FileManager.default.removeItem(atPath: path)
      if entry != "/gen-1" {
        try Directories.create(path)
        try await expectRefused(.unexpectedFile, naming: [path])
        try FileManager.default.removeItem(atPath: path)
      }
      try FileManager.default.moveItem(atPath: elsewhere, toPath: path)
      try await expectSound()
    }
  }

  /// Entries beside the live generation are removed by name, so they are checked, too.
  @Test(.timeLimit(.minutes(5))) func aLinkInThePlaceOfAnotherGenerationIsRefused() async throws {
    try await make()
    let kept = place.directory.path("kept")
    try Directories.create(kept)
    try Data("x".utf8).write(to: URL(fileURLWithPath: "\(kept)/data.mdb"))
    try FileManager.default.createSymbolicLink(atPath: "\(place.path)/gen-7", withDestinationPath: kept)
    try await expectRefused(.unexpectedFile, naming: ["\(place.path)/gen-7"])
    #expect(try Directories.entries(kept) == ["data.mdb"])
  }

  /// The bug: if a lock table was missing, LMDB made it with the permissions of the umask: readable by all, or not even by its owner.
  @Test(.timeLimit(.minutes(5)), arguments: ["0", "0777"]) func aMissingLockTableIsMadePrivateWhateverTheUmask(umask: String) async throws {
    try await make()
    try Directories.removeFile("\(place.path)/gen-1/lock.mdb")
    let outcome = try await ChildProcess.run(
      executable: "/bin/sh",
      ["-c", "umask \(umask); exec \"$0\" \"$@\"", try TestProcess.executable("EngramTestChild"), "open", place.path, "read-only"])
    #expect(outcome.standardOutput == "opened 3\n", "\(outcome)")
    #expect(try Directories.status("\(place.path)/gen-1/lock.mdb")?.permissions == 0o600)
    try await expectSound()
  }

  #if os(Linux)
    /// LMDB opens files by path: a link to another store's file takes the place of the file after it was checked.
    @Test(.timeLimit(.minutes(5))) func aFileThatIsExchangedWhileItIsOpenedIsRefused() async throws {
      try await make()
      let (data, elsewhere, log) = ("\(place.path)/gen-1/data.mdb", place.directory.path("elsewhere"), place.directory.path("log"))
      try FileManager.default.copyItem(atPath: data, toPath: elsewhere)
      // LMDB opens its lock table and then the data file, by a path through the descriptor of the store's directory, whose number varies.
      let opened = (3...40).flatMap { number in
        ["lock.mdb", "data.mdb"].flatMap { ["-P", "/proc/self/fd/\(number)/gen-1/\($0)"] }
      }
      let child = try ChildProcess(
        executable: "/usr/bin/strace",
        [
          "-f", "-qq", "-o", log,
        ] + opened + [
          "-e", "trace=open,openat", "-e", "inject=open,openat:delay_enter=3000000:when=2", "--",
          try TestProcess.executable("EngramTestChild"), "open", place.path, "read-only",
        ])
      try await waitUntil { (try? String(contentsOfFile: log, encoding: .utf8))?.contains("lock.mdb") == true }
      try FileManager.default.removeItem(atPath: data)
      try FileManager.default.createSymbolicLink(atPath: data, withDestinationPath: elsewhere)
      let outcome = try await child.finish()
      #expect(outcome.standardOutput.hasPrefix("failed unexpectedFile: "), "\(outcome)")
    }
  #endif
}
