// Where the storage of the vault and of margin pools lies, as the compiler says, against contracts/layout/*.txt.
//
//   node script/layout.mjs           compares; exit code 1 when they differ
//   node script/layout.mjs --write   writes the files: only for what is appended, or before the first release
import { readFileSync, writeFileSync } from 'node:fs'

const contracts = ['Vault', 'MarginPool']

// Types carry numbers that change with every compilation.
const plain = (type) => type.replace(/\)\d+/g, ')').replace(/\(([^()]*)\)_storage/g, '($1)')

function layoutOf (contract) {
  const { storageLayout } = JSON.parse(readFileSync(`out/${contract}Layout.sol/${contract}Layout.json`))
  const lines = []
  function walk (members, base, path) {
    for (const { label, slot, offset, type } of members) {
      const at = base + BigInt(slot)
      lines.push(`${String(at).padStart(3)} ${String(offset).padStart(2)}  ${path}${label}: ${plain(type)}`)
      const { members: inner, value } = storageLayout.types[type]
      if (inner) walk(inner, at, `${path}${label}.`)
      let element = value
      while (element && storageLayout.types[element].value) element = storageLayout.types[element].value
      // What a mapping holds counts from the mapping's own slots on.
      if (element && storageLayout.types[element].members) {
        walk(storageLayout.types[element].members, 0n, `${path}${label}[].`)
      }
    }
  }
  walk(storageLayout.types[storageLayout.storage[0].type].members, 0n, '')
  return `# slot and byte offset within it; what is in a mapping counts from its own first slot\n${lines.join('\n')}\n`
}

let differs = false
for (const contract of contracts) {
  const file = `contracts/layout/${contract}.txt`
  const text = layoutOf(contract)
  if (process.argv.includes('--write')) {
    writeFileSync(file, text)
    console.log(`written: ${file}`)
  } else if (readFileSync(file, 'utf8') !== text) {
    const kept = new Set(readFileSync(file, 'utf8').split('\n'))
    const now = new Set(text.split('\n'))
    for (const line of kept) if (!now.has(line)) console.error(`- ${line}`)
    for (const line of now) if (!kept.has(line)) console.error(`+ ${line}`)
    console.error(`The storage layout of ${contract} is not that of ${file}. What is there already must not move: a proxy keeps it.`)
    differs = true
  } else {
    console.log(`storage layout: as in ${file}`)
  }
}
if (differs) process.exit(1)
