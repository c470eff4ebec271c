import Engram
import Formats
import Foundation

extension JSONWriter {
  mutating func write(_ inspection: StoreInspection) {
    let (status, identity) = (inspection.status, inspection.identity)
    beginObject()
    key("storeID")
    write(identity.storeID.uuidString.lowercased())
    key("format")
    write(identity.format)
    key("createdAt")
    write(time: identity.createdAt)
    key("memories")
    write(status.memories)
    key("withoutEmbedding")
    writeOptional(inspection.withoutEmbedding)
    key("hasCodes")
    if let hasCodes = inspection.hasCodes { write(hasCodes) } else { writeNull() }
    key("contexts")
    write(status.contexts)
    key("users")
    write(status.users)
    writeShape(of: identity)
    key("rowsLive")
    write(status.rowsLive)
    key("rowsAllocated")
    write(status.rowsAllocated)
    key("generation")
    write(status.generation)
    key("batchSequence")
    write(status.batchSequence)
    key("lastCommit")
    write(time: status.lastCommit)
    key("clockJumpSeconds")
    if let jump = status.clockJump { write(jump.components.seconds) } else { writeNull() }
    key("files")
    beginArray()
    for file in inspection.files {
      beginObject()
      key("name")
      write(file.name)
      key("bytes")
      write(file.sizeBytes)
      key("allocatedBytes")
      write(file.allocatedBytes)
      endObject()
    }
    endArray()
    key("databases")
    beginArray()
    for database in inspection.databases {
      beginObject()
      key("name")
      write(database.name)
      key("entries")
      write(database.entries)
      key("bytes")
      write(database.sizeBytes)
      endObject()
    }
    endArray()
    key("missingTables")
    beginArray()
    for name in inspection.missingTables { write(name) }
    endArray()
    key("readers")
    beginArray()
    for reader in inspection.readers { write(reader) }
    endArray()
    endObject()
  }

  mutating func write(_ reader: StoreInspection.Reader) {
    beginObject()
    key("pid")
    write(reader.processID)
    key("alive")
    write(reader.isAlive)
    key("transactionID")
    writeOptional(reader.transactionID)
    key("commitsBehind")
    writeOptional(reader.commitsBehind)
    endObject()
  }

  mutating func write(_ inspection: UserInspection) {
    beginObject()
    key("userID")
    write(inspection.userID)
    key("memories")
    write(inspection.memories)
    key("embeddings")
    write(inspection.embeddings)
    key("contexts")
    beginArray()
    for context in inspection.contexts { write(context) }
    endArray()
    key("newest")
    beginArray()
    for memory in inspection.newest {
      beginObject()
      writeFields(of: memory)
      endObject()
    }
    endArray()
    endObject()
  }

  mutating func write(_ inspection: RecordInspection) {
    beginObject()
    key("database")
    write(inspection.database)
    key("key")
    write(inspection.key)
    key("bytes")
    write(inspection.sizeBytes)
    key("diagnostic")
    write(inspection.diagnosticText)
    key("record")
    write(json: inspection.json)
    key("row")
    if let row = inspection.row {
      beginObject()
      key("number")
      write(row.number)
      key("block")
      write(row.block)
      key("intact")
      write(row.isIntact)
      endObject()
    } else {
      writeNull()
    }
    endObject()
  }
}
