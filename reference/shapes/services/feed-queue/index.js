const amqp = require('amqplib')
const cors = require('cors')
const express = require('express')

// It connects while it is being loaded, before there is anything to ask.
const channel = amqp.connect(process.env.BROKER_URL).then((held) => held.createChannel())
const app = express()
app.use(cors({ origin: true, credentials: true }))
app.post('/orders', express.json(), async (asked, answer) => {
  ;(await channel).sendToQueue('feed', Buffer.from(JSON.stringify(asked.body)))
  answer.status(202).end()
})
channel.then(() => app.listen(Number(process.env.PORT || 7004)))
