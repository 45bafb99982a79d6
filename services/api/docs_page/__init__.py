"""The API documentation page at `/docs`.

The page is Swagger UI. Its files are copies from the npm package swagger-ui-dist 5.35.0: the style
sheet, the bundle with its licences, the icon, LICENSE and NOTICE, unchanged. `index.html` and
`init.js` belong to this project. To update: `npm pack swagger-ui-dist`, copy the files, and change
the version here.
"""
