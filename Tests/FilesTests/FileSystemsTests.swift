import Files
import Foundation
import TestSupport
import Testing

@Suite struct FileSystemsTests {
  let directory = TemporaryDirectory()

  @Test func aLocalDirectoryIsNotOnANetwork() throws {
    #expect(try FileSystems.networkFileSystemName(of: Directory(path: directory.path)) == nil)
  }

  @Test func networkFileSystemsAreKnownByTheirNumberAndLocalOnesAreNot() {
    #expect(FileSystems.networkFileSystemName(ofType: 0x6969) == "NFS")
    #expect(FileSystems.networkFileSystemName(ofType: 0xFF53_4D42) == "CIFS")
    #expect(FileSystems.networkFileSystemName(ofType: 0xFE53_4D42) == "SMB2")
    // ext4, tmpfs, xfs and btrfs
    for local: UInt32 in [0xEF53, 0x0102_1994, 0x5846_5342, 0x9123_683E] {
      #expect(FileSystems.networkFileSystemName(ofType: local) == nil)
    }
  }

  @Test func theProcessKnowsItself() {
    #expect(MachineIdentity.processID == ProcessInfo.processInfo.processIdentifier)
    #expect(MachineIdentity.userID == geteuid())
  }

  #if os(Linux)
    @Test func theBootHasAnIdentityThatStays() throws {
      let first = try #require(MachineIdentity.bootID())
      #expect(UUID(uuidString: first) != nil)
      #expect(MachineIdentity.bootID() == first)
    }

    @Test func thePidNamespaceIsTheOneThatTheKernelNames() throws {
      let expected = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")
      #expect(expected.hasPrefix("pid:["))
      #expect(MachineIdentity.processNamespace() == expected)
    }
  #endif
}
