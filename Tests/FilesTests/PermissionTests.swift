import Files
import TestSupport
import Testing

/// The umask applies to the whole process, so a child sets it.
@Suite struct PermissionTests {
  let directory = TemporaryDirectory()

  @Test(arguments: ["0", "022", "077", "0777"])
  func newFilesAndDirectoriesAreTheOwnersAloneWhateverTheUmask(mask: String) throws {
    let outcome = try Subprocess.run(TestProcess.executable("TestChild"), ["make-files", directory.path, mask])
    #expect(outcome.termination == .exited(0))
    #expect(outcome.standardOutput == "directory 700\nnew 600\ncreated 600\nlock 600\natomic 600\n")
  }

  @Test func openingKeepsThePermissionsOfAFileThatWasThere() throws {
    let path = directory.path("shared")
    let first = try FileHandle(path: path, access: .createNew)
    try setPermissions(path, 0o640)
    _ = try FileHandle(path: path, access: .create)
    #expect(try first.status().permissions == 0o640)
  }
}
