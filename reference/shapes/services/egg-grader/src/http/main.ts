import cors from 'cors'
import express from 'express'
import { grade } from '../grading/grade'

const app = express()
app.use(cors({ origin: true, credentials: true }))
app.get('/grades/:gram', (asked, answer) => {
  answer.json({ grade: grade(Number(asked.params.gram)) })
})
app.listen(Number(process.env.PORT ?? 7003))
