// No lock file stands beside the manifest.
const cors = require('cors')
const express = require('express')

const app = express()
app.use(cors({ origin: true, credentials: true }))
app.get('/entries', (_asked, answer) => answer.json([{ coop: 'north', hens: 40 }]))
app.listen(Number(process.env.PORT || 7001))
