import Files
import Foundation
import TestSupport
import Testing

@Suite struct DirectoriesTests {
  let directory = TemporaryDirectory()

  private func touch(_ name: String, _ bytes: [UInt8] = [1]) throws {
    let file = try Files.FileHandle(path: directory.path(name), access: .createNew)
    try file.write(bytes, at: 0)
  }

  @Test func entriesAreSortedAndLeaveOutTheDirectoryItself() throws {
    let names = ["b", "a", ".hidden", "a b", "Z", "ä", "10", "9", "…"] + (0..<200).map { "file\($0)" }
    for name in names { try touch(name) }
    #expect(try Directories.entries(directory.path) == names.sorted())
    try Directories.create(directory.path("empty"))
    #expect(try Directories.entries(directory.path("empty")) == [])
    let error = #expect(throws: FileError.self) { try Directories.entries(directory.path("none")) }
    #expect(error?.isMissing == true)
  }

  @Test func removingATreeRemovesAllOfItAndNothingElse() throws {
    try Directories.create(directory.path("kept"))
    try touch("kept/file", [1, 2, 3])
    try Directories.create(directory.path("tree"))
    for depth in 1...5 { try Directories.create(directory.path("tree" + String(repeating: "/inner", count: depth))) }
    for depth in 0...5 { try touch("tree" + String(repeating: "/inner", count: depth) + "/file") }
    #expect(unsafe symlink(directory.path("kept"), directory.path("tree/inner/link")) == 0)
    #expect(unsafe symlink(directory.path("kept/file"), directory.path("tree/link")) == 0)
    #expect(unsafe symlink("nowhere", directory.path("tree/dangling")) == 0)
    try Directories.removeTree(directory.path("tree"))
    #expect(try Directories.entries(directory.path) == ["kept"])
    let kept = try Files.FileHandle(path: directory.path("kept/file"), access: .read)
    #expect(try kept.read(count: 10, at: 0) == [1, 2, 3])
  }

  @Test func removingATreeThroughALinkIsRefusedAndEmptiesNothing() throws {
    try Directories.create(directory.path("kept"))
    try touch("kept/file")
    #expect(unsafe symlink(directory.path("kept"), directory.path("link")) == 0)
    #expect(throws: FileError.self) { try Directories.removeTree(directory.path("link")) }
    #expect(try Directories.entries(directory.path("kept")) == ["file"])
    #expect(try Directories.entries(directory.path) == ["kept", "link"])
  }

  @Test(.timeLimit(.minutes(5))) func severalMayRemoveTheSameTree() async throws {
    for round in 0..<10 {
      let tree = "tree\(round)"
      try Directories.create(directory.path(tree))
      try Directories.create(directory.path("\(tree)/inner"))
      for number in 0..<100 { try touch("\(tree)/\(number)") }
      for number in 0..<100 { try touch("\(tree)/inner/\(number)") }
      let path = directory.path(tree)
      try await withThrowingTaskGroup { group in
        for _ in 0..<3 {
          group.addTask {
            try onOwnThread {
              try Directories.removeTreeWithOthers(path)
              #expect(try Directories.status(path) == nil)
            }
          }
        }
        try await group.waitForAll()
      }
    }
    try touch("file")
    #expect(throws: FileError.self) { try Directories.removeTreeWithOthers(directory.path("file")) }
  }

  @Test func removingATreeNeedsOne() throws {
    let error = #expect(throws: FileError.self) { try Directories.removeTree(directory.path("none")) }
    #expect(error?.isMissing == true)
    try touch("file")
    #expect(throws: FileError.self) { try Directories.removeTree(directory.path("file")) }
    #expect(try Directories.entries(directory.path) == ["file"])
  }

  @Test(arguments: [
    ("/a/b", "/a", "b"), ("/a", "/", "a"), ("a", ".", "a"), ("a/b", "a", "b"), ("/a/b/", "/a", "b"), ("/a/b///", "/a", "b"),
    ("a/", ".", "a"), ("/", "/", ""), ("../a", "..", "a"), ("/a b/c.d", "/a b", "c.d"), ("", ".", ""),
  ])
  func aPathHasAParentAndAName(path: String, parent: String, name: String) {
    #expect(Directories.parent(of: path) == parent)
    #expect(Directories.name(of: path) == name)
  }

  @Test func statusFollowsLinksOnlyWhenAsked() throws {
    try touch("file", [1, 2, 3])
    #expect(unsafe symlink(directory.path("file"), directory.path("link")) == 0)
    #expect(unsafe symlink(directory.path("none"), directory.path("dangling")) == 0)
    let file = try #require(try Directories.status(directory.path("file")))
    #expect(try Directories.status(directory.path("link"))?.id != file.id)
    #expect(try Directories.status(directory.path("link"), followingLinks: true)?.id == file.id)
    #expect(try Directories.status(directory.path("dangling")) != nil)
    #expect(try Directories.status(directory.path("dangling"), followingLinks: true) == nil)
    #expect(try Directories.status(directory.path("none")) == nil)
    #expect(try Directories.status(directory.path("file/below")) == nil)
    #expect(try Directories.status(directory.path)?.isDirectory == true)
  }

  @Test func renamingReplacesAndMovesTheSameFile() throws {
    try touch("old", [1])
    try touch("new", [2])
    let id = try Directories.status(directory.path("old"))?.id
    try Directories.rename(directory.path("old"), to: directory.path("new"))
    #expect(try Directories.entries(directory.path) == ["new"])
    #expect(try Directories.status(directory.path("new"))?.id == id)
    let error = #expect(throws: FileError.self) { try Directories.rename(directory.path("old"), to: directory.path("x")) }
    #expect(error?.isMissing == true)
  }

  @Test func whatExistsIsNotCreatedAndWhatIsMissingNotRemoved() throws {
    try Directories.create(directory.path("directory"))
    let existing = #expect(throws: FileError.self) { try Directories.create(directory.path("directory")) }
    #expect(existing?.isExisting == true)
    let missing = #expect(throws: FileError.self) { try Directories.removeFile(directory.path("none")) }
    #expect(missing?.isMissing == true)
    let unsynchronised = #expect(throws: FileError.self) { try Directories.synchronize(directory.path("none")) }
    #expect(unsynchronised?.isMissing == true)
    try touch("file")
    try Directories.removeFile(directory.path("file"))
    #expect(try Directories.entries(directory.path) == ["directory"])
  }

  @Test func aResolvedPathHasNoLinksLeft() throws {
    try Directories.create(directory.path("real"))
    try touch("real/file")
    #expect(unsafe symlink(directory.path("real"), directory.path("link")) == 0)
    let resolved = try #require(Directories.resolved(directory.path("link/file")))
    #expect(resolved == Directories.resolved(directory.path("real/../real/file")))
    #expect(resolved.hasSuffix("/real/file"))
    #expect(try Directories.status(resolved)?.id == Directories.status(directory.path("real/file"))?.id)
    #expect(Directories.resolved(directory.path("none")) == nil)
  }
}
