#!/usr/bin/env node
/*
 * The launcher. Written in the JavaScript of Node 4 (no const, no arrow, no import statement), because its one duty on an
 * old Node is to be parsed and to say which Node is needed. On a new one it turns the V8 compile cache on and loads the
 * program: the sources in a checkout, the bundle in the published package (which has no sources).
 */
"use strict"
var NEEDED = [22, 19]
var found = process.versions.node.split(".").map(Number)
if (found[0] < NEEDED[0] || (found[0] === NEEDED[0] && found[1] < NEEDED[1])) {
  process.stderr.write(
    "chronik-effect needs Node " +
      NEEDED.join(".") +
      " or newer and this is Node " +
      process.versions.node +
      " (" +
      process.execPath +
      "): install a newer one from https://nodejs.org or with your version manager, and try again.\n"
  )
  process.exit(1)
}
var fs = require("node:fs")
var path = require("node:path")
var url = require("node:url")
require("node:module").enableCompileCache()
var root = path.join(__dirname, "..")
var source = path.join(root, "src", "Main.ts")
var bundle = path.join(root, "dist", "main.js")
var entry = fs.existsSync(source) ? source : bundle
if (!fs.existsSync(entry)) {
  process.stderr.write(
    "chronik-effect is not complete: " +
      bundle +
      " is missing. Install the package again, or run `npm run build` in a checkout.\n"
  )
  process.exit(1)
}
require("./load.js")(url.pathToFileURL(entry).href)
