import Files
import Foundation
import TestSupport
import Testing

@testable import Engram

/// The bug: in a directory where others may create files, an attacker made `store.tmp-0000000000001` and exchanged its children while an
/// opening removed it by path: files elsewhere were removed. A link of that name made the opening create `alive.lock` elsewhere. The cause:
/// the code relied on a name. The fix: only files that belong to this user alone are touched, and through the directory's descriptor.
@Suite struct StoreSiteTests {
  private let place = TestStore()
  private var abandoned: String { place.directory.path("store.tmp-0000000000001") }
  private var precious: String { place.directory.path("precious") }

  private func sweep() async throws {
    let store = try await place.open()
    try await store.close()
  }

  private func makePrecious() throws {
    try Directories.create(precious)
    try Data("x".utf8).write(to: URL(fileURLWithPath: "\(precious)/file"))
  }

  @Test(.timeLimit(.minutes(5))) func aLinkOfTheNameIsNotFollowed() async throws {
    try makePrecious()
    try FileManager.default.createSymbolicLink(atPath: abandoned, withDestinationPath: precious)
    try await sweep()
    #expect(try Directories.entries(precious) == ["file"])
    #expect(try Directories.status(abandoned)?.isSymbolicLink == true)
  }

  @Test(.timeLimit(.minutes(5)), arguments: [0o777, 0o770, 0o720]) func whatOthersMayWriteInIsLeftAlone(mode: Int) async throws {
    try Directories.create(abandoned)
    try Data("x".utf8).write(to: URL(fileURLWithPath: "\(abandoned)/file"))
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: abandoned)
    try await sweep()
    #expect(try Directories.entries(abandoned) == ["file"])
  }

  @Test(.enabled(if: geteuid() == 0, "only root gives a directory away"), .timeLimit(.minutes(5)))
  func whatBelongsToAnotherUserIsLeftAlone() async throws {
    try Directories.create(abandoned)
    try Data("x".utf8).write(to: URL(fileURLWithPath: "\(abandoned)/file"))
    #expect(unsafe chown(abandoned, 65534, 65534) == 0)
    try await sweep()
    #expect(try Directories.entries(abandoned) == ["file"])
  }

  @Test(.timeLimit(.minutes(5))) func whatIsThisUsersOwnIsSwept() async throws {
    try makePrecious()
    try Directories.create(abandoned)
    // Links in the directory are removed, but not followed.
    try FileManager.default.createSymbolicLink(atPath: "\(abandoned)/gen-1", withDestinationPath: precious)
    try await sweep()
    #expect(try Directories.status(abandoned) == nil)
    #expect(try Directories.entries(precious) == ["file"])
  }

  /// A tree is removed through descriptors: if a directory is replaced by a link after it was checked, the removal does not leave the tree.
  @Test(.timeLimit(.minutes(5))) func aRemovalStaysInTheDirectoryThatItBeganIn() throws {
    try makePrecious()
    try Directories.create(abandoned)
    try Data("x".utf8).write(to: URL(fileURLWithPath: "\(abandoned)/file"))
    let opened = try Directory(FilePlace(abandoned))
    // This is what an attacker would do between the check and the removal.
    try FileManager.default.moveItem(atPath: abandoned, toPath: place.directory.path("away"))
    try FileManager.default.createSymbolicLink(atPath: abandoned, withDestinationPath: precious)
    try Directories.removeContents(of: opened)
    try Directories.removeTreeWithOthers(opened, named: FilePlace(abandoned))
    #expect(try Directories.entries(precious) == ["file"])
    #expect(try Directories.entries(place.directory.path("away")) == [])
    #expect(throws: FileError.self) { try Directories.removeTree(abandoned) }
    #expect(try Directories.entries(precious) == ["file"])
  }

  /// The bug: a creation made its directory first and the lock file in it afterwards. A sweeper that saw the directory in between removed
  /// the files that the creation added later. One of forty tasks that opened a new store at once failed, in one of four runs on a busy
  /// machine.
  @Test(.timeLimit(.minutes(5))) func manyThreadsMakeOneStoreAtOnce() async throws {
    for round in 0..<8 {
      let path = place.directory.path("round\(round)")
      let made = try await withThrowingTaskGroup(of: Bool.self) { group in
        for _ in 0..<40 {
          group.addTask { try await onBlockingThread { try StoreCreation.create(at: path, options: StoreOptions(dimension: 8)) } }
        }
        return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
      }
      #expect(made == 1)
    }
    #expect(try Directories.entries(place.directory.path) == (0..<8).map { "round\($0)" })
  }
}
