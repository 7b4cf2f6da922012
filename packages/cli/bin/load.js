/* Apart from the launcher because a Node before 9 cannot even parse `import()`. */
"use strict"
module.exports = (href) => import(href)
